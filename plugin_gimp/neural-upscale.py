#!/usr/bin/env python3
# ruff: noqa: N999 (GIMP wants the folder's name)
"""The program that GIMP starts; it only forwards to the package beside it."""

import sys

import gi

gi.require_version("Gimp", "3.0")
gi.require_version("Gegl", "0.4")
from gi.repository import Gimp  # noqa: E402
from neural_upscale.registration import NeuralUpscale  # noqa: E402

Gimp.main(NeuralUpscale.__gtype__, sys.argv)
