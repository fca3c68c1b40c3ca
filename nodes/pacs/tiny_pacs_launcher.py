"""Runs tiny-pacs (`run -c FILE …`) with one fault of its library mended; with `--hurry` before, it does not rest.

pynetdicom2 0.9.8 hands each message to another thread, and C-FIND then changes the same message into the next row, so
that every row arrives as the last one. Here each message is handed over as a copy. The library looks for what comes in
every 50 ms, which is its own pace and is left as it is, unless a storage is being filled.

A program of its own, started by its path: it imports nothing of the testbed.
"""

import copy
import runpy
import sys
from typing import Any

from pynetdicom2 import asceprovider, dulprovider  # type: ignore[import-not-found] # beside tiny-pacs, in its folder

_send = asceprovider.Association.send


def _send_copy(association: Any, message: Any, context: int) -> Any:
    return _send(association, copy.copy(message), context)


if __name__ == "__main__":
    asceprovider.Association.send = _send_copy
    if sys.argv[1] == "--hurry":
        dulprovider.POLL_INTERVAL = 0.001
        del sys.argv[1]
    runpy.run_module("tiny_pacs", run_name="__main__", alter_sys=True)
