"""nftables' own library, for rules as text: what `nft -f -` does, without a process for it (0.4 ms against 3).

The Debian package nftables itself stands on it (libnftables1), so it is there where `nft` is.
"""

import ctypes
import threading
from functools import cache

_LIBRARY = "libnftables.so.1"
_one_at_a_time = threading.Lock()  # the library does not promise to be safe for threads


@cache
def _library() -> ctypes.CDLL:
    try:
        library = ctypes.CDLL(_LIBRARY)
    except OSError as error:
        raise OSError(f"{error}; install nftables (its library is Debian's package libnftables1)") from error
    library.nft_ctx_new.restype = ctypes.c_void_p
    library.nft_ctx_new.argtypes = [ctypes.c_uint32]
    library.nft_ctx_free.argtypes = [ctypes.c_void_p]
    library.nft_ctx_buffer_error.argtypes = [ctypes.c_void_p]
    library.nft_ctx_get_error_buffer.restype = ctypes.c_char_p
    library.nft_ctx_get_error_buffer.argtypes = [ctypes.c_void_p]
    library.nft_run_cmd_from_buffer.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    return library


def apply(rules: str) -> None:
    """Apply rules in the calling thread's network, all or none. `OSError` with what the library says against them."""
    with _one_at_a_time:
        library = _library()
        context = library.nft_ctx_new(0)  # its socket belongs to the network where it is made
        if not context:
            raise OSError("nftables: no socket to the kernel")
        try:
            library.nft_ctx_buffer_error(context)
            if library.nft_run_cmd_from_buffer(context, rules.encode()):
                raise OSError(f"nftables: {library.nft_ctx_get_error_buffer(context).decode(errors='replace').strip()}")
        finally:
            library.nft_ctx_free(context)
