"""Judging one round by what was read in it: pure.

Each judge gives at least one finding where it could look at all: the worst, when all are within bounds, else all that
are not.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from emulator.fidelity import chance
from emulator.fidelity.asked import Asked
from emulator.fidelity.findings import Finding
from emulator.fidelity.load import Shares, together
from emulator.fidelity.queues import Flow, Flows, Way
from emulator.shaping import queue_bytes
from emulator.topology.resolved import Direction, Fidelity

_WIDE = 4  # standard deviations that the least of a few round-trip times may lie below their mean, or above


@dataclass(frozen=True)
class Round:
    """What was read in one round: the least idle round-trip time of each site (those that answered), the whole of its
    transfers and each half-second of them, what the queues did, and how many packets the router's socket missed.
    """

    least_rtt_s: Mapping[str, float] = field(default_factory=dict)
    transfers: Sequence[Shares] = ()
    windows: Sequence[Shares] = ()
    flows: Flows = field(default_factory=dict)
    missed: int = 0


def judged(read: Round, asked: Mapping[str, Asked], bounds: Fidelity) -> tuple[Finding, ...]:
    """All findings of one round; its many looks at losses together call one good round in a thousand bad."""
    flows, z = sorted(read.flows.items()), chance.among(len(read.flows))
    return (
        *_worst_or_all([_rtt(asked[site], least, bounds) for site, least in sorted(read.least_rtt_s.items())]),
        *_worst_or_all([_loss(asked[site], way, flow, bounds, z) for (site, way), flow in flows]),
        *(_overflow(asked[site], way, flow) for (site, way), flow in flows if flow.overflown),
        *_missed(read, bounds),
        *_load(read, bounds),
    )


def rtt_margin_s(asked: Asked, bounds: Fidelity) -> float:
    """How far a mean round-trip time may be from the asked one."""
    return max(bounds.rtt_s, bounds.rtt_share * asked.rtt_s)


def _worst_or_all(findings: Sequence[Finding]) -> Sequence[Finding]:
    beyond = [finding for finding in findings if finding.exceeded]
    return beyond or sorted(findings, key=_strain)[-1:]


def _strain(finding: Finding) -> float:
    """How much of its bound a finding takes."""
    if not finding.bound:
        return 0.0
    return abs(finding.figure - (finding.asked or 0.0)) / finding.bound


def _rtt(asked: Asked, least_s: float, bounds: Fidelity) -> Finding:
    bound = rtt_margin_s(asked, bounds) + _WIDE * asked.jitter_s
    exceeded = abs(least_s - asked.rtt_s) > bound
    said = f"round trip of {asked.site}, idle: {_ms(least_s)} at least, asked {_ms(asked.rtt_s)} (bound ±{_ms(bound)})"
    return Finding("rtt", asked.site, least_s, asked.rtt_s, bound, exceeded, said)


def _direction(asked: Asked, way: Way) -> Direction:
    return asked.up if way == "up" else asked.down


def _loss(asked: Asked, way: Way, flow: Flow, bounds: Fidelity, z: float) -> Finding:
    direction = _direction(asked, way)
    packets = flow.passed + flow.lost + flow.overflown
    share = flow.lost / packets if packets else 0.0
    exceeded = chance.strays(flow.lost, packets, direction.loss, bounds.loss, chance.alike(direction), z)
    said = (
        f"loss of {asked.site}, {way}: {flow.lost} of {packets} packets ({share:.2%}), "
        f"asked {direction.loss:.2%} (bound ±{bounds.loss:.2%} beyond chance)"
    )
    return Finding("loss", asked.site, share, direction.loss, bounds.loss, exceeded, said)


def _overflow(asked: Asked, way: Way, flow: Flow) -> Finding:
    """A full queue is TCP at work, unless less went through than the queue holds."""
    direction = _direction(asked, way)
    holds = queue_bytes(direction)
    unfilled = direction.discipline == "fifo" and flow.passed_bytes + flow.overflown * direction.mtu < holds
    said = f"queue of {asked.site}, {way}: {flow.overflown} packets found it full"
    if unfilled:
        said += f", though only {flow.passed_bytes:,} bytes went through and it should hold {holds:,}"
    return Finding("overflow", asked.site, flow.overflown, None, None, unfilled, said)


def _missed(read: Round, bounds: Fidelity) -> Iterator[Finding]:
    packets = sum(flow.passed + flow.lost + flow.overflown for flow in read.flows.values())
    if packets or read.missed:
        share = read.missed / (packets + read.missed)
        said = f"{read.missed} packets came faster than the router took them ({share:.2%}, bound {bounds.loss:.2%})"
        yield Finding("missed", "", share, 0.0, bounds.loss, share > bounds.loss, said)


def _load(read: Round, bounds: Fidelity) -> Iterator[Finding]:
    whole = together(read.transfers)
    if not whole.seconds:
        return
    busiest = max(read.windows, key=lambda window: window.ran, default=whole)
    host = f"processors idle {whole.idle:.0%} of the transfers' {whole.seconds:.1f} s"
    said = f"router: ran {busiest.ran:.0%} of its busiest {busiest.seconds:.1f} s (bound {bounds.router:.0%})"
    yield Finding("router", "", busiest.ran, None, bounds.router, busiest.ran > bounds.router, said)
    said = f"router: waited {whole.waited:.0%} of the time for a processor (bound {bounds.waiting:.0%}), "
    said += f"{_ms(whole.late_s)} each time (bound {_ms(bounds.rtt_s)}); {host}"
    waits = whole.waited > bounds.waiting or whole.late_s > bounds.rtt_s
    yield Finding("waiting", "", whole.waited, None, bounds.waiting, waits, said)
    said = f"hub: waited {whole.own_waited:.0%} of the time for a processor (bound {bounds.host:.0%}); {host}"
    yield Finding("host", "", whole.own_waited, None, bounds.host, whole.own_waited > bounds.host, said)


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.2f} ms" if math.isfinite(seconds) else "-"
