"""Our C++, and how it is loaded: it comes with the package, or is built on the user's machine, for its very processor.

building.py     one C++ file → one loaded library, built where the package brought none along and kept from then on
prebuilt.py     the libraries that wheels for one platform bring along
prebuilt.cpp    what only those hold: which of them this processor can run
processor.py    what processor this is
winograd.hpp    Winograd's F(6×6, 3×3): transforms and products, for the server's engine and the trainer's passes
winograd.py     its transform of the kernels, which both leave to their libraries of arrays
"""

from weights.native.building import COMPILERS, can_load, compiler, library
from weights.native.processor import processor
from weights.native.winograd import KERNEL_TRANSFORM

__all__ = ["COMPILERS", "KERNEL_TRANSFORM", "can_load", "compiler", "library", "processor"]
