"""Where packages come from: the archive that this system's own apt uses, else the one that mmdebstrap knows."""

import subprocess
from pathlib import Path

KEYS = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
QUIET = {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8", "SOURCE_DATE_EPOCH": "1767225600"}
_SUITES = {"Debian": ("{}", "{}-updates"), "Debian-Security": ("{}-security",)}


def sources(suite: str) -> list[str]:
    """Lines of a sources.list for a suite of Debian; none where this system's apt knows no archive of Debian."""
    lines = []
    for label, suites in _SUITES.items():
        address = _address(label)
        if address:
            lines += [f"deb [signed-by={KEYS}] {address} {name.format(suite)} main" for name in suites]
    return lines


def _address(label: str) -> str:
    words = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Origin: Debian"]
    try:
        told = subprocess.run([*words, f"Label: {label}"], capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return next(iter(told.stdout.split()), "")
