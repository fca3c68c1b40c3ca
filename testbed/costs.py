"""The network cost of a run, summed and laid out: pure functions on the document of `cost --json`."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from testbed.units import percent

WAN = ("model", "update", "studies", "control")  # what crosses the WAN; pulls stay on the sites' LANs
PURPOSES = ("pull", *WAN)
COUNTS = ("rx_wire", "tx_wire", "rx_payload", "tx_payload")
AGAIN = ("rx_retransmitted", "tx_retransmitted", "rx_repeated")
COLUMNS = ("run", "round", "site", "purpose", *COUNTS, *AGAIN)


@dataclass(frozen=True)
class Cost:
    """Bytes of one purpose at one site in one round, seen from the site. Retransmissions are wire bytes, counted by the
    sender: `rx_repeated` is the part of `rx_retransmitted` that came though it had come before. None: not measured.
    """

    round: int
    site: str
    purpose: str
    rx_wire: int
    tx_wire: int
    rx_payload: int
    tx_payload: int
    rx_retransmitted: int | None = None
    tx_retransmitted: int | None = None
    rx_repeated: int | None = None

    @property
    def wire(self) -> int:
        return self.rx_wire + self.tx_wire

    @property
    def payload(self) -> int:
        return self.rx_payload + self.tx_payload

    @property
    def again(self) -> int | None:
        """Wire bytes that crossed the site's interface a second time: all that it sent again, and what came twice."""
        if self.tx_retransmitted is None or self.rx_repeated is None:
            return None
        return self.tx_retransmitted + self.rx_repeated


@dataclass(frozen=True)
class Dropped:
    """Packets of one site that the router dropped in one round: `lost` on the line as the topology asks, `overflowed`
    at queues that were full.
    """

    round: int
    site: str
    rx_lost: int
    tx_lost: int
    rx_overflowed: int
    tx_overflowed: int

    @property
    def lost(self) -> int:
        return self.rx_lost + self.tx_lost

    @property
    def overflowed(self) -> int:
        return self.rx_overflowed + self.tx_overflowed


def told(entries: Iterable[Cost]) -> tuple[str, ...]:
    """The purposes to tell of: `studies` only where some were sent."""
    sent = any(entry.purpose == "studies" and entry.wire for entry in entries)
    return PURPOSES if sent else tuple(purpose for purpose in PURPOSES if purpose != "studies")


def costs(document: Mapping[str, Any]) -> Iterator[Cost]:
    """Every entry of the document, in its order."""
    for entry in document["rounds"]:
        for site, purposes in entry["sites"].items():
            for purpose, counts in purposes.items():
                yield Cost(entry["round"], site, purpose, **_counts(counts))


def _counts(counts: Mapping[str, int]) -> dict[str, Any]:
    return {**{name: counts.get(name, 0) for name in COUNTS}, **{name: counts.get(name) for name in AGAIN}}


def drops(document: Mapping[str, Any]) -> Iterator[Dropped]:
    """Every site's drops in every round in which they were measured."""
    for entry in document["rounds"]:
        for site, counts in entry.get("drops", {}).items():
            yield Dropped(entry["round"], site, **counts)


def lost_wire(document: Mapping[str, Any]) -> int:
    """Wire bytes of rounds that were interrupted and begun again."""
    parts = (part for lost in document.get("lost", ()) for site in lost["sites"].values() for part in site.values())
    return sum(part["rx_wire"] + part["tx_wire"] for part in parts)


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


def again(entries: Iterable[Cost]) -> int | None:
    """Wire bytes of these entries that crossed the interface a second time; None where that was not measured."""
    found = [entry.again for entry in entries]
    return None if not found or None in found else sum(filter(None, found))


def resent(entries: Iterable[Cost]) -> int | None:
    """Wire bytes that senders repeated to and from the sites, arrived or not; None where that was not measured."""
    found = [(entry.rx_retransmitted, entry.tx_retransmitted) for entry in entries]
    if not found or any(None in pair for pair in found):
        return None
    return sum(rx + tx for rx, tx in found if rx is not None and tx is not None)


def beyond(carried: int, handed: int) -> str:
    """What the wire carried beyond the payload, as a share of the payload."""
    return percent(carried / handed - 1) if handed else "-"


def overhead(entries: Sequence[Cost]) -> str:
    """What the wire carried beyond the payload, as a share of the payload, and how much of that was sent again:
    `4.1 %, of it 2.7 % retransmitted`.
    """
    handed, repeated = payload(entries), again(entries)
    share = beyond(wire(entries), handed)
    if not handed:
        return share
    return share if repeated is None else f"{share}, of it {percent(repeated / handed)} retransmitted"
