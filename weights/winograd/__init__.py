"""C++ that is built on the user's machine for its very processor: the builder, and what server and trainer share.

building            one C++ file → one loaded library, kept from then on
processor           what processor this is
winograd.hpp        Winograd's F(6×6, 3×3): transforms and products, for the server's engine and the trainer's passes
kernel_transform    its transform of the kernels, which both leave to their array libraries
"""

from weights.winograd.building import COMPILERS, compiler, library
from weights.winograd.kernel_transform import KERNEL_TRANSFORM
from weights.winograd.processor import processor

__all__ = ["COMPILERS", "KERNEL_TRANSFORM", "compiler", "library", "processor"]
