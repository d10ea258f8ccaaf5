"""Convolutions of `compact` in training on CPUs: Winograd's F(6×6, 3×3) in C++ of our own, forward and backward.

choice.py          whether a training uses it, and why not
convolutions.py    both passes as torch sees them: a generator in, gradients of its parameters out
passes.cpp         both passes as the processor sees them; built on this machine by weights/winograd
"""

from trainer.nets.winograd.choice import Choice, chosen_passes
from trainer.nets.winograd.convolutions import convolve_by_winograd

__all__ = ["Choice", "chosen_passes", "convolve_by_winograd"]
