"""What is in captured packets, by tshark."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from emulator.errors import CannotHere, Fell
from emulator.places import CONTROL_PORT, DICOMWEB_PORT, DIMSE_PORT, MODEL_PORT, MOVE_PORT, STUDY_PORT, UPDATE_PORT

_WHAT_SERVES = {
    DICOMWEB_PORT: "http",
    CONTROL_PORT: "http",
    MODEL_PORT: "http",
    UPDATE_PORT: "http",
    STUDY_PORT: "http",
    DIMSE_PORT: "dicom",
    MOVE_PORT: "dicom",
}
_HTTP = ("ip.src", "ip.dst", "http.request.method", "http.request.uri", "http.response.code")
_DECODED_S = 120.0


def decoded(file: Path) -> str:
    """tshark's summary: protocols, conversations, HTTP requests with their answers, DICOM associations and messages.

    Raises `CannotHere` without tshark, `Fell` where the file is none that it reads.
    """
    parts = [
        _tshark(file, ["-q", "-z", "io,phs", "-z", "conv,tcp"]),
        "HTTP\n" + _tshark(file, ["-Y", "http.request or http.response", *_fields(_HTTP)]),
        "DICOM\n" + _tshark(file, ["-Y", "dicom", *_fields(("ip.src", "ip.dst", "_ws.col.Info"))]),
    ]
    return "\n".join(parts)


def _fields(names: Sequence[str]) -> list[str]:
    return ["-T", "fields", "-E", "separator=/t", *(word for name in names for word in ("-e", name))]


def _tshark(file: Path, asked: list[str]) -> str:
    if shutil.which("tshark") is None:
        raise CannotHere("tshark is not installed here; apt-get install tshark")
    served = [word for port, protocol in _WHAT_SERVES.items() for word in ("-d", f"tcp.port=={port},{protocol}")]
    argv = ["tshark", "-r", str(file), *served, *asked]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=_DECODED_S)
    if done.returncode:
        raise Fell(f"tshark can't read {file}: {done.stderr.strip()}")
    return done.stdout
