"""Our C++, and how it is loaded: it comes with the package, or is built on the user's machine for its very processor.

building            one C++ file → one loaded library, built where the package brought none along and kept from then on
prebuilt            the libraries that wheels for one platform bring along
prebuilt.cpp        what only those hold: which of them this processor can run
processor           what processor this is
winograd.hpp        Winograd's F(6×6, 3×3): transforms and products, for the server's engine and the trainer's passes
kernel_transform    its transform of the kernels, which the trainer leaves to torch
"""

from weights.winograd.building import COMPILERS, compiler, library
from weights.winograd.kernel_transform import KERNEL_TRANSFORM
from weights.winograd.processor import processor

__all__ = ["COMPILERS", "KERNEL_TRANSFORM", "compiler", "library", "processor"]
