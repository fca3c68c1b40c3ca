"""No byte is counted twice or never: counters that only grow, read at any moments, while traffic flows."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from emulator.drops import DropMeter, Queue, Queues, queues
from emulator.ledger import PURPOSES, Count, Purpose, Snapshot, moved
from emulator.retransmissions import Connection, Key, Repeated, Tally
from emulator.shaping import FROM_HUB, INTO_HUB, queue_handle, site_handle

SITES = ("lyon", "nice")
CELLS: list[tuple[str, Purpose]] = [(site, purpose) for site in SITES for purpose in PURPOSES]

Packet = tuple[tuple[str, Purpose], bool, int]
packets = st.tuples(st.sampled_from(CELLS), st.booleans(), st.integers(40, 9000))
"""A packet: whose and what for, whether it comes or goes, its bytes."""


class Kernel:
    """Counters as a kernel keeps them: read one after another, while packets pass between two readings."""

    def __init__(self) -> None:
        self.counts = dict.fromkeys(CELLS, Count())

    def count(self, packet: Packet) -> None:
        cell, comes, size = packet
        now = self.counts[cell]
        if comes:
            now = replace(now, rx_bytes=now.rx_bytes + size, rx_packets=now.rx_packets + 1)
        else:
            now = replace(now, tx_bytes=now.tx_bytes + size, tx_packets=now.tx_packets + 1)
        self.counts[cell] = now

    def snap(self, meanwhile: Callable[[], None]) -> Snapshot:
        found: Snapshot = {}
        for site, purpose in CELLS:
            found.setdefault(site, {})[purpose] = self.counts[site, purpose]
            meanwhile()
        return found


@given(st.lists(st.one_of(packets, st.lists(st.none() | packets, min_size=len(CELLS), max_size=len(CELLS)))))
def test_whatever_flows_while_counters_are_read_the_rounds_add_up_to_all_that_passed(happens: list[Any]) -> None:
    kernel = Kernel()
    before = kernel.snap(lambda: None)
    rounds: list[Snapshot] = []
    for event in happens:
        if isinstance(event, tuple):
            kernel.count(event)
        else:  # a round ends, and packets pass in the middle of the reading
            passing = iter(event)

            def pass_one(passing: Iterator[Packet | None] = passing) -> None:
                packet = next(passing)
                if packet is not None:
                    kernel.count(packet)

            now = kernel.snap(pass_one)
            rounds.append(moved(before, now))
            before = now
    rounds.append(moved(before, kernel.snap(lambda: None)))
    for site, purpose in CELLS:
        total = kernel.counts[site, purpose]
        for field in ("rx_bytes", "rx_packets", "tx_bytes", "tx_packets"):
            parts = [getattr(counted[site][purpose], field) for counted in rounds]
            assert min(parts) >= 0
            assert sum(parts) == getattr(total, field)


def test_a_site_that_was_built_anew_counts_from_its_new_beginning() -> None:
    before: Snapshot = {"lyon": {"model": Count(9000, 6, 900, 6)}}
    now: Snapshot = {"lyon": {"model": Count(1500, 1, 52, 1)}, "nice": {"model": Count(40, 1, 0, 0)}}
    assert moved(before, now) == now


KEYS: list[Key] = [("lyon", "model", "rx"), ("lyon", "update", "tx"), ("nice", "update", "tx")]


@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.sampled_from(["again", "read", "end"]), st.integers(1, 9), st.booleans()),
        max_size=60,
    )
)
def test_connections_that_are_read_often_or_only_as_they_end_add_up_to_what_was_sent_again(happens: list[Any]) -> None:
    tally, sent = Tally(), 0
    alive: dict[int, Connection] = {}
    ever = 0

    def open_one() -> Connection:
        nonlocal ever
        ever += 1
        return Connection(ever, ("10.0.1.3", 1), ("10.0.0.2", 2), Repeated())

    for slot, what, size, came in happens:
        one = alive.setdefault(slot, open_one())
        key = KEYS[one.cookie % len(KEYS)]
        if what == "again":
            alive[slot] = replace(one, repeated=one.repeated + Repeated(size, size if came else 0))
            sent += size
        elif what == "read":
            tally.see(key, one)
        else:
            tally.end(key, alive.pop(slot))
    for one in alive.values():
        tally.end(KEYS[one.cookie % len(KEYS)], one)
    assert sum(total.sent for total in tally.totals.values()) == sent


def _listed(line: int, queue: int) -> list[dict[str, object]]:
    return [
        {"kind": "htb", "handle": "1:", "drops": line},
        {"kind": "netem", "handle": f"{site_handle(INTO_HUB, 3):x}:", "drops": line, "bytes": 10, "packets": 1},
        {"kind": "bfifo", "handle": f"{queue_handle(INTO_HUB, 3):x}:", "drops": queue},
        {"kind": "netem", "handle": f"{site_handle(FROM_HUB, 3):x}:", "drops": 0, "backlog": 1500},
    ]


def test_a_netems_drops_without_those_of_the_queue_below_it_are_the_lines_own() -> None:
    found = queues(_listed(line=12, queue=5), {"nice": 3})
    assert found == {"nice": Queues(rx=Queue(backlog_bytes=1500), tx=Queue(12, 5, 10, 1))}
    drops = DropMeter().take(found)["nice"]
    assert (drops.tx.lost, drops.tx.overflowed, drops.rx.lost) == (7, 5, 0)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.booleans())))
def test_drops_between_the_readings_of_two_counters_are_counted_once(rounds: list[tuple[int, int, bool]]) -> None:
    """The netem's counter may be read before, or after, packets that the queue below it drops."""
    meter, lost, overflowed, counted = DropMeter(), 0, 0, [0, 0]
    for on_line, at_queue, between in [*rounds, (0, 0, False)]:
        lost += on_line
        read_early = lost + overflowed
        overflowed += at_queue
        line = read_early if between else lost + overflowed
        drops = meter.take({"lyon": Queues(tx=Queue(line, overflowed))})["lyon"].tx
        assert drops.lost >= 0
        counted[0] += drops.lost
        counted[1] += drops.overflowed
    assert counted == [lost, overflowed]


def test_a_queue_of_another_discipline_counts_from_its_new_beginning() -> None:
    meter = DropMeter()
    meter.take({"lyon": Queues(tx=Queue(20, 9))})
    drops = meter.take({"lyon": Queues(tx=Queue(23, 2))})["lyon"].tx
    assert (drops.lost, drops.overflowed) == (1, 2)
