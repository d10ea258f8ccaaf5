"""The GIMP 3 plug-in, as it is copied beside GIMP's own: standard library and GIMP's modules only.

registration   the procedure, its arguments and menu entry
funnel         a run's way out: the result, or a sentence; the log gets the traceback
run            one run in time order: check, read, ask the server, compare, place
settings       what the user can choose
sources        what was taken from the image, and whether it is still so
placing        the three ways to put the result into the document
layers         a layer's attributes and mask, taken over by its successor
effects        a layer's effects, moved or merged
host           GIMP's interface and its quirks: pixels, undo, scratch images
dialog         the window, with model list, detail and preview
"""
