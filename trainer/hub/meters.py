"""Bytes by round: payload as the hub's door counts it, wire bytes as the kernel does."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from trainer.hub.desk import Desk
from trainer.record import Bytes

if TYPE_CHECKING:
    from emulator.ledger import Ledger, Snapshot


class Meters:
    """Read at the end of every round: what has been counted since the last reading. `ledger` is None outside
    a world.
    """

    def __init__(self, desk: Desk, ledger: "Ledger | None") -> None:
        self._desk = desk
        self._ledger = ledger
        self._before: Snapshot = {}

    def begin(self) -> None:
        """Counting starts here."""
        self._desk.take_payload()
        self._before = self._ledger.snap() if self._ledger else {}

    def read(self) -> tuple[Sequence[Bytes], Sequence[Bytes]]:
        """Payload and wire bytes since the last reading; nothing is counted twice and nothing is lost between
        two readings.
        """
        payload = [
            Bytes(site, purpose, rx, tx) for (site, purpose), (rx, tx) in sorted(self._desk.take_payload().items())
        ]
        return payload, self._wire()

    def _wire(self) -> Sequence[Bytes]:
        if self._ledger is None:
            return ()
        now, before = self._ledger.snap(), self._before
        self._before = now
        found = []
        for site, purposes in now.items():
            for purpose, count in purposes.items():
                moved = count - before[site][purpose]
                found.append(Bytes(site, purpose, moved.rx_bytes, moved.tx_bytes, moved.rx_packets, moved.tx_packets))
        return found
