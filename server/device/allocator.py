"""How the C library keeps the memory that arrays give back. Standard library only.

A tile's intermediate results are tens of megabytes each. glibc takes such blocks from the operating system and returns
them one by one, and every page of every block is then zeroed and mapped anew: measured, a quarter of all processor
time. Here freed blocks are kept for the next tile, in one heap for all threads; `give_back` returns them when the
server idles.
"""

from __future__ import annotations

import ctypes

TRIM_THRESHOLD, MMAP_THRESHOLD, ARENA_MAX = -1, -3, -8  # mallopt(3)
NEVER = (1 << 31) - 1
LARGEST_KEPT = 1 << 30  # bytes of a block


def keep_freed_memory() -> bool:
    """Keep freed blocks in this process from now on; says whether this C library can."""
    library = _glibc()
    if library is None:
        return False
    wanted = ((ARENA_MAX, 1), (MMAP_THRESHOLD, LARGEST_KEPT), (TRIM_THRESHOLD, NEVER))
    done = [library.mallopt(parameter, value) for parameter, value in wanted]  # each of them, whatever the others say
    return all(done)


def give_back() -> None:
    """Return what is kept and free to the operating system."""
    library = _glibc()
    if library is not None:
        library.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    try:
        library = ctypes.CDLL(None)
        library.mallopt.argtypes = (ctypes.c_int, ctypes.c_int)
        library.malloc_trim.argtypes = (ctypes.c_size_t,)
    except (OSError, AttributeError, TypeError):  # another C library, or none by that name (Windows)
        return None
    return library
