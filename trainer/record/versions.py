"""What a model's bits depend on besides its record: this machine's processor, and the libraries."""

import importlib.metadata
import platform
from collections.abc import Mapping
from pathlib import Path

_VERSIONED = ("pacs-testbed", "torch", "numpy", "pydicom")


def here() -> dict[str, str]:
    """Python's version, those of the libraries that count, and the processor's name."""
    found = {"python": platform.python_version()}
    for name in _VERSIONED:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return {**found, "processor": _processor()}


def differing(recorded: Mapping[str, str], now: Mapping[str, str]) -> list[dict[str, str]]:
    """What is another one than it was, as `{"what", "recorded", "here"}`; what one does not tell is left out."""
    both = [name for name in recorded if name in now]
    return [
        {"what": name, "recorded": recorded[name], "here": now[name]} for name in both if recorded[name] != now[name]
    ]


def _processor() -> str:
    """The kernel's name for it, and the architecture: two of one name give the same sums."""
    named = [line.partition(":")[2].strip() for line in _told() if line.startswith("model name")]
    return f"{platform.machine()} {named[0]}" if named else platform.machine()


def _told() -> list[str]:
    try:
        return Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return []
