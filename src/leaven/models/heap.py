"""Memory that a forward pass on a CPU has freed, kept for the next one.

glibc hands large blocks back to the system as soon as they are free, and the next pass gets them anew: page by page,
each filled with zeros by the kernel: 28,000 to 47,000 times in a training pass of 1,024 tokens of SmolLM2.
"""

import ctypes

TRIM_THRESHOLD, MMAP_MAX = -1, -4
"""The names that glibc's malloc.h has for free memory at the heap's end, and for blocks outside the heap."""


def keep() -> None:
    """Let this process hold what it once took, from now on; where the C library is not glibc nothing is changed."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, TypeError, AttributeError):  # Windows has no such library, macOS and musl no such function
        return
    mallopt(MMAP_MAX, 0)
    mallopt(TRIM_THRESHOLD, 2**31 - 1)
