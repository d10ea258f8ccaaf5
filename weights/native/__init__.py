"""C++ that is built on the user's machine, for its very processor: the builder, and what both halves' C++ share.

building.py     one C++ file → one loaded library, kept from then on
processor.py    what processor this is
winograd.hpp    Winograd's F(6×6, 3×3): transforms and products, for the server's engine and the trainer's passes
winograd.py     its transform of the kernels, which both leave to their libraries of arrays
"""

from weights.native.building import COMPILERS, compiler, library
from weights.native.processor import processor
from weights.native.winograd import KERNEL_TRANSFORM

__all__ = ["COMPILERS", "KERNEL_TRANSFORM", "compiler", "library", "processor"]
