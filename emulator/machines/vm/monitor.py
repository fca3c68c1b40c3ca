"""A guest's QEMU, asked through libvirt for what libvirt has no words for: saving a state without the memory."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emulator.errors import Fell

if TYPE_CHECKING:
    from libvirt import virDomain

_STATE_WITHIN_S = 60.0
_PAUSE_S = 0.005


def ask(domain: "virDomain", command: str, files: Sequence[int] = (), **arguments: object) -> Any:
    """What QEMU returns for one command; `files` go with it. Raises `Fell` where it refuses."""
    import libvirt_qemu

    text = json.dumps({"execute": command, "arguments": arguments})
    if files:
        answer, _ = libvirt_qemu.qemuMonitorCommandWithFiles(domain, text, list(files), 0)
    else:
        answer = libvirt_qemu.qemuMonitorCommand(domain, text, 0)
    said = json.loads(answer)
    if "error" in said:
        raise Fell(f"QEMU of {domain.name()} refused {command}: {said['error'].get('desc', said['error'])}")
    return said["return"]


def save(domain: "virDomain", state: Path, *, memory: bool = False) -> None:
    """Write the state of a guest that is paused; without its memory, if that lies in a file already."""
    _keep_memory(domain, memory)
    with state.open("wb") as file:
        ask(domain, "getfd", [file.fileno()], fdname="state")
        ask(domain, "migrate", uri="fd:state")
        _finish(domain)


def load(domain: "virDomain", state: Path, *, memory: bool = False) -> None:
    """Read into a guest that waits for it what `save` wrote."""
    _keep_memory(domain, memory)
    with state.open("rb") as file:
        ask(domain, "getfd", [file.fileno()], fdname="state")
        ask(domain, "migrate-incoming", uri="fd:state")
        _finish(domain)


def _keep_memory(domain: "virDomain", wanted: bool) -> None:
    ask(domain, "migrate-set-capabilities", capabilities=[{"capability": "x-ignore-shared", "state": not wanted}])


def _finish(domain: "virDomain") -> None:
    deadline = time.monotonic() + _STATE_WITHIN_S
    while (found := ask(domain, "query-migrate")).get("status") != "completed":
        if found.get("status") == "failed" or time.monotonic() > deadline:
            raise Fell(f"the state of guest {domain.name()} was not passed: {found}")
        time.sleep(_PAUSE_S)
