"""The network cost of a run, summed and laid out: pure functions on the document of `cost --json`."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

PURPOSES = ("pull", "model", "update", "control")
COUNTS = ("rx_wire", "tx_wire", "rx_payload", "tx_payload")
COLUMNS = ("run", "round", "site", "purpose", *COUNTS)


@dataclass(frozen=True)
class Cost:
    """Bytes of one purpose at one site in one round, seen from the site."""

    round: int
    site: str
    purpose: str
    rx_wire: int
    tx_wire: int
    rx_payload: int
    tx_payload: int

    @property
    def wire(self) -> int:
        return self.rx_wire + self.tx_wire

    @property
    def payload(self) -> int:
        return self.rx_payload + self.tx_payload


def costs(document: Mapping[str, Any]) -> Iterator[Cost]:
    """Every entry of the document, in its order."""
    for entry in document["rounds"]:
        for site, purposes in entry["sites"].items():
            for purpose, counts in purposes.items():
                yield Cost(entry["round"], site, purpose, **{name: counts.get(name, 0) for name in COUNTS})


def grouped(entries: Iterable[Cost], key: Callable[[Cost], str]) -> dict[str, list[Cost]]:
    """Entries by a key, in order of first appearance."""
    found: dict[str, list[Cost]] = {}
    for entry in entries:
        found.setdefault(key(entry), []).append(entry)
    return found


def wire(entries: Iterable[Cost], purpose: str | None = None) -> int:
    """Wire bytes of these entries, of one purpose or of all."""
    return sum(entry.wire for entry in entries if purpose in (None, entry.purpose))


def payload(entries: Iterable[Cost]) -> int:
    """Payload bytes of these entries."""
    return sum(entry.payload for entry in entries)
