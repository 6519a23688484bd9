"""Memory that is freed goes back to the system.

glibc takes a large block from the system by itself and gives it back when it is freed; but the first large block that
is freed raises what counts as large, up to 32 MiB. From then on a decoded photograph lies in the heap, small blocks
come to lie behind it, and its place is never given back. Saying once what is large ends that.
"""

import ctypes
import sys
from contextlib import suppress

__all__ = ["give_back_large_blocks"]

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
_LARGE = 4 * 2**20  # bytes; taking a block from the system costs about as much as filling it with zeros
_KEPT_FREE = 16 * 2**20  # bytes at the heap's end, for the next request


def give_back_large_blocks() -> None:
    """Say what is large, for the whole process; without effect where the C library is not glibc."""
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None)
    with suppress(AttributeError):  # musl has no such choice
        libc.mallopt(_M_MMAP_THRESHOLD, _LARGE)
        libc.mallopt(_M_TRIM_THRESHOLD, _KEPT_FREE)
