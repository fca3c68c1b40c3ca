"""How the C library hands memory to torch, and when it gives it back."""

import ctypes
import gc

# mallopt's parameters, from glibc's malloc.h; elsewhere (musl) the calls are not there and nothing is lost.
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_LARGEST_BLOCK = 32 << 20  # glibc's own limit for the threshold
_KEPT = 256 << 20


def keep_blocks() -> None:
    """Reuse the blocks of a training step in the next one, instead of asking the kernel for fresh pages each time.

    By default every activation of some MB is mapped and unmapped anew: 3 million page faults in five rounds
    of fifty sites, a third of all CPU time.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        library.mallopt(_M_MMAP_THRESHOLD, _LARGEST_BLOCK)
        library.mallopt(_M_TRIM_THRESHOLD, _KEPT)


def give_back() -> None:
    """Return what is free to the kernel. Between rounds a worker holds next to nothing: fifty of them share a
    machine.
    """
    gc.collect()
    library = ctypes.CDLL(None)
    if hasattr(library, "malloc_trim"):
        library.malloc_trim(0)
