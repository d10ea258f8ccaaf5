"""The dialog that asks for one run's settings. Nothing is imported here.

window     the controls
models     reaching the server and its list of models
preview    which patch is shown, and asking the server for it
widgets    the patch with its divider, and the thumbnail
painting   how both are drawn
"""
