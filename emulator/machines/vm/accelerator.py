"""Whether guests run on KVM here. Some machines offer the device and guests hang on it: booting one decides."""

import json
import os
import subprocess
from functools import cache as remembered
from pathlib import Path
from typing import TYPE_CHECKING

from emulator.machines.vm.domain import Accelerator
from emulator.machines.vm.hypervisor import EMULATOR
from emulator.writing import write_whole

if TYPE_CHECKING:
    from emulator.images import Image

_DEVICE = Path("/dev/kvm")
_BOOT_WITHIN_S = 4.0
_SIGN = b"Linux version"


@remembered
def qemu_version() -> str:
    """The version of QEMU, as it says it; part of what a saved guest is tied to."""
    said = subprocess.run([EMULATOR, "--version"], capture_output=True, text=True, check=True, timeout=30).stdout
    return said.splitlines()[0]


def chosen(cache: Path, image: "Image") -> Accelerator:
    """KVM where an image's kernel really boots on it, tried once on this machine and kept; else TCG."""
    if not os.access(_DEVICE, os.R_OK | os.W_OK):
        return "tcg"
    kept = cache / "kvm.json"
    here = {"kernel": os.uname().release, "machine": os.uname().machine, "qemu": qemu_version()}
    found = _read(kept)
    if {key: found.get(key) for key in here} != here:
        found = {**here, "boots": _boots(image)}
        cache.mkdir(parents=True, exist_ok=True)
        write_whole(kept, json.dumps(found).encode())
    return "kvm" if found["boots"] else "tcg"


def known(cache: Path) -> Accelerator | None:
    """What was found out here, without trying; None: nothing yet."""
    if not os.access(_DEVICE, os.R_OK | os.W_OK):
        return "tcg"
    found = _read(cache / "kvm.json")
    if found.get("kernel") != os.uname().release:
        return None
    return "kvm" if found["boots"] else "tcg"


def _read(path: Path) -> dict[str, object]:
    try:
        found: dict[str, object] = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found


def _boots(image: "Image") -> bool:
    argv = [
        *(EMULATOR, "-accel", "kvm", "-M", "pc", "-m", "128", "-display", "none", "-nodefaults", "-serial", "stdio"),
        *("-no-reboot", "-kernel", str(image.kernel), "-append", "console=ttyS0 panic=-1"),
    ]
    try:
        said = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=_BOOT_WITHIN_S, check=False
        ).stdout
    except subprocess.TimeoutExpired as late:
        said = late.stdout or b""
    return _SIGN in said
