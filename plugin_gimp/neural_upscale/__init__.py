"""The GIMP 3 plug-in, as it is copied beside GIMP's own: standard library and GIMP's modules only.

registration   the procedure, its arguments and menu entry
entry          the way into a run and out of it: the result, or a sentence; the log gets the traceback
run            one run in time order: check, ask, find the server, read, enlarge, compare, place, report
settings       what the user can choose
sizes          how large the result becomes, and where a part of the image lies in it
dialog/        the window with the controls and the preview
source         what was taken from the image, and whether the image is still so
placing        the three ways to put the result into the document
layers         a layer's attributes and mask, which its successor takes over
masks          selections and layer masks, and how GIMP enlarges them
effects        a layer's effects, moved or merged
server         finding the server for the window
progress       GIMP's progress bar
host           GIMP's interface and its quirks: pixels, undo, scratch images
client/        a copy of server/client/, made by the installer
"""
