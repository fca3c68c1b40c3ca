"""What a gateway is told: one JSON file, written by who starts it."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Self

from nodes.endpoints import Login
from nodes.gateway.hours import Window

Accept = Literal["usual", "strict", "quoted"]


@dataclass(frozen=True)
class ServerTls:
    """PEM files. With `callers` (an authority) a caller needs a certificate of its own, which names it `caller`."""

    certificate: str
    key: str
    callers: str = ""
    caller: str = ""


@dataclass(frozen=True)
class Settings:
    """Where a gateway listens, where its archive does (on loopback), and its habits: `nodes.pacs.habits.Web` says what
    they mean.
    """

    site: str
    host: str
    port: int
    archive_port: int
    root: str = "/dicom-web/"
    page: int | None = None
    includefield: bool = True
    single_part: bool = False
    frames: bool = True
    bulkdata: bool = True
    accept: Accept = "usual"
    first_byte_s: float = 0.0
    idle_s: float = 75.0
    closed: tuple[Window, ...] = ()
    rate_bps: int | None = None
    caller: Login | None = None
    tls: ServerTls | None = None

    @classmethod
    def read(cls, path: Path) -> Self:
        """From a file that `text` has written."""
        return cls.of(json.loads(path.read_text()))

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """From plain JSON. Raises TypeError for what is not a setting."""
        return cls(
            **{
                **document,
                "closed": tuple(Window(**window) for window in document["closed"]),
                "caller": document["caller"] and Login(**document["caller"]),
                "tls": document["tls"] and ServerTls(**document["tls"]),
            }
        )

    def text(self) -> str:
        """The file's text."""
        return json.dumps(asdict(self), indent=1)
