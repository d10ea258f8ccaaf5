"""Pixels on their way to the server and back: colour spaces, masks and blending. Nothing is imported here.

exchange     between the layer's colour space and the one that the server takes
difference   sums of samples, in plain Python
masks        selections and masks, enlarged by Krita
blend        pixels through a mask, in plain Python
plan         what is sent, and how the answer becomes the pixels that are placed
"""
