"""The dialog that asks for one run's settings. Nothing is imported here.

window     the whole, and how long it will take
options    the controls
size       how large: a factor, or pixels
slider     a control between two named ends
models     reaching the server and its list of models
preview    which patch is shown, and asking the server for it
widgets    the patch with its divider, and the thumbnail
painting   how both are drawn
"""
