"""Bytes by round: payload as the hub's door counts it; wire bytes, retransmissions and drops as the kernels do."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from emulator.errors import WrongState
from trainer.hub.desk import Desk
from trainer.record import Bytes, Dropped, Lost, Mark, Resent
from trainer.record.schema import ALWAYS

if TYPE_CHECKING:
    from emulator.drops import DropMeter, Queues, Router
    from emulator.ledger import Ledger, Snapshot
    from emulator.retransmissions import Retransmissions

_CLAIM = "metered-by"


@dataclass(frozen=True)
class Measured:
    """What was counted since the last reading, and the counters as they are now."""

    payload: tuple[Bytes, ...]
    wire: tuple[Bytes, ...] = ()
    resent: tuple[Resent, ...] = ()
    drops: tuple[Dropped, ...] = ()
    mark: Mark | None = None


@dataclass(frozen=True)
class Counters:
    """The counters of a world, from inside it. `retransmissions` is None where the kernel does not tell TCP's figures.
    `world` names this world and no other; `claim` is the file in which a training says that it uses it.
    """

    ledger: "Ledger"
    retransmissions: "Retransmissions | None"
    router: "Router"
    drops: "DropMeter"
    world: str
    claim: Path

    @classmethod
    def of(cls, world: str, sites: Mapping[str, int]) -> Self:
        """Those of the world of that name. Raises `WrongState` where it is not up."""
        from emulator.drops import DropMeter, Router  # only inside a world: they need its kernels
        from emulator.ledger import Ledger
        from emulator.retransmissions import Retransmissions
        from emulator.worlds.home import world_folder
        from emulator.worlds.record import WorldRecord

        folder = world_folder(world)
        record = WorldRecord.read(folder)
        if record is None:
            raise WrongState(f"world '{world}' is not up; bring it up with: testbed up TOPOLOGY")
        try:
            retransmissions = Retransmissions(sites)
        except OSError:  # a kernel without sock_diag
            retransmissions = None
        name = f"{record.boot}/{record.init_pid}/{record.init_birth}"
        return cls(Ledger(list(sites)), retransmissions, Router.of(world, sites), DropMeter(), name, folder / _CLAIM)


class Meters:
    """Read at the end of every round: what has been counted since the last reading. `counters` is None outside a
    world.
    """

    def __init__(self, desk: Desk, counters: Counters | None, run: str) -> None:
        self._desk = desk
        self._counters = counters
        self._run = run
        self._before: Snapshot = {}
        self.queues: Mapping[str, Queues] = {}
        """The last reading of the router's queues, by site; none where it did not answer."""

    def begin(self, last: Mark | None) -> tuple[Mark | None, Lost | None]:
        """Counting starts here. `last` is the mark that the run's last whole round left; what has been counted since
        then is the traffic of rounds that were lost. It is not told (None) where the world is another one, or another
        run has used it since.
        """
        self._desk.take_payload()
        counters = self._counters
        if counters is None:
            return None, None
        if counters.retransmissions:
            counters.retransmissions.take()
        self.queues = counters.router.read()
        counters.drops.take(self.queues)
        self._before = counters.ledger.snap()
        claimed = counters.claim.read_text() if counters.claim.exists() else ""
        counters.claim.write_text(self._run)
        mark = _mark(counters.world, self._before)
        if last is None or last.world != counters.world or claimed != self._run:
            return mark, None
        return mark, Lost(_rows(_snapshot(last), self._before))

    def read(self) -> Measured:
        """What has been counted since the last reading; nothing is counted twice and nothing is lost between two
        readings.
        """
        payload = tuple(
            Bytes(site, purpose, rx, tx) for (site, purpose), (rx, tx) in sorted(self._desk.take_payload().items())
        )
        counters = self._counters
        if counters is None:
            return Measured(payload)
        before, self._before = self._before, counters.ledger.snap()
        self.queues = _read(counters.router)
        return Measured(
            payload,
            _rows(before, self._before),
            _resent(counters.retransmissions),
            _dropped(counters, self.queues),
            _mark(counters.world, self._before),
        )


def _rows(before: "Snapshot", now: "Snapshot") -> tuple[Bytes, ...]:
    from emulator.ledger import moved

    return tuple(
        Bytes(site, purpose, count.rx_bytes, count.tx_bytes, count.rx_packets, count.tx_packets)
        for site, purposes in moved(before, now).items()
        for purpose, count in purposes.items()
        if purpose in ALWAYS or count.rx_packets or count.tx_packets
    )


def _resent(retransmissions: "Retransmissions | None") -> tuple[Resent, ...]:
    if retransmissions is None:
        return ()
    return tuple(
        Resent(site, purpose, both.rx.sent, both.tx.sent, both.rx.came)
        for site, purposes in retransmissions.take().items()
        for purpose, both in purposes.items()
    )


def _read(router: "Router") -> "Mapping[str, Queues]":
    """Nothing where the router does not answer now: the next reading has it all, and no round is lost for it."""
    try:
        return router.read()
    except (WrongState, OSError):
        return {}


def _dropped(counters: Counters, now: "Mapping[str, Queues]") -> tuple[Dropped, ...]:
    return tuple(
        Dropped(site, both.rx.lost, both.tx.lost, both.rx.overflowed, both.tx.overflowed)
        for site, both in counters.drops.take(now).items()
    )


def _mark(world: str, snapshot: "Snapshot") -> Mark:
    counted = tuple(
        Bytes(site, purpose, count.rx_bytes, count.tx_bytes, count.rx_packets, count.tx_packets)
        for site, purposes in snapshot.items()
        for purpose, count in purposes.items()
    )
    return Mark(world, counted)


def _snapshot(mark: Mark) -> "Snapshot":
    from emulator.ledger import PURPOSES, Count

    found: Snapshot = {}
    for row in mark.counted:
        purpose = next(known for known in PURPOSES if known == row.purpose)
        found.setdefault(row.site, {})[purpose] = Count(row.rx, row.rx_packets, row.tx, row.tx_packets)
    return found
