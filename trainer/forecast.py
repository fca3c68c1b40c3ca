"""What a round will cost, from a topology and a model's size alone: wire bytes by purpose, seconds by phase. Pure.

It follows the conductor's phases. Every formula is one of a line at rest with TCP in good health: what lost packets
cost in time is not in it, nor what a new connection on a slow line sends into a full queue, and again.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from emulator.flows import Flow, ends
from emulator.shaping import whole_path
from emulator.topology.resolved import Direction, Link, Site, Topology
from emulator.wiring import LAN_MTU
from trainer.clock.computing import FORWARD_SHARE
from trainer.held_out import split

HEADER_BYTES = 52  # IPv4, TCP, and TCP's timestamps, in every packet
HANDSHAKE_BYTES = 60  # a SYN, with its options
_FIRST_WINDOW = 10  # packets that a new connection sends before it hears anything (RFC 6928)
_PACKETS_AN_ACK = 2  # an acknowledgement for every second packet (RFC 1122, 4.2.3.2)
_HEAD_BYTES = {"request": 190, "answer": 80}  # of HTTP: measured, with the names of models and updates in it
_ORDER_BYTES = 115
_REPORT_BYTES = 100  # a report of nobody …
_SCORE_BYTES = 21  # … and one probability more
_CONTROL_PACKETS = 8
_PART_BYTES = 193  # what multipart adds to an instance of a study: measured with Orthanc 1.10
_LISTED_BYTES = 1500  # a study in the PACS's list, and its request


@dataclass(frozen=True)
class Sizes:
    """Bytes of a model's and of an update's file; both 0 where models stay at home."""

    model: int
    update: int


@dataclass(frozen=True)
class Pull:
    """What pulling a site's studies moves (bytes and instances), and how long it takes here (s)."""

    bytes: int
    instances: int
    seconds: float


@dataclass(frozen=True)
class Wire:
    """Wire bytes seen from the site, IP headers in."""

    rx: int = 0
    tx: int = 0

    def __add__(self, other: "Wire") -> "Wire":
        return Wire(self.rx + other.rx, self.tx + other.tx)


@dataclass(frozen=True)
class SiteRound:
    """One site in one round: wire bytes by purpose, seconds by phase."""

    wire: Mapping[str, Wire]
    seconds: Mapping[str, float]


@dataclass(frozen=True)
class Round:
    """One round: `seconds` from its beginning to its last report. `last_update` and `last_report` are the sites that
    all others wait for.
    """

    seconds: float
    sites: Mapping[str, SiteRound]
    last_update: str
    last_report: str


def transfer(payload_bytes: int, head: str, mtu: int, new: bool = False) -> tuple[int, int]:
    """Wire bytes of one HTTP message with a body: with it, and against it (acknowledgements)."""
    carried = payload_bytes + _HEAD_BYTES[head]
    packets = math.ceil(carried / (mtu - HEADER_BYTES))
    shaken = HANDSHAKE_BYTES if new else 0
    return (
        carried + packets * HEADER_BYTES + shaken,
        math.ceil(packets / _PACKETS_AN_ACK) * HEADER_BYTES + shaken,
    )


def slow_start_s(carried_bits: float, rate_bps: float, rtt_s: float, mtu: int) -> float:
    """What a new connection loses: it doubles its window every round trip (10 packets first) until that fills the line,
    and idles for the rest of each round trip before.
    """
    idle, window_bits, sent = 0.0, _FIRST_WINDOW * mtu * 8.0, 0.0
    while window_bits / rate_bps < rtt_s and sent + window_bits < carried_bits:
        idle += rtt_s - window_bits / rate_bps
        sent += window_bits
        window_bits *= 2
    return idle


def rtt_s(path: Link) -> float:
    return path.down.delay_s + path.up.delay_s


@dataclass(frozen=True)
class _Line:
    """One site's way to the hub, and what of it is shared."""

    site: Site
    path: Link
    shared: tuple[str, ...]

    @property
    def rtt_s(self) -> float:
        return rtt_s(self.path)


class Forecast:
    """Rounds of one topology's training. `pulls` by site."""

    def __init__(self, topology: Topology, sizes: Sizes, pulls: Mapping[str, Pull]) -> None:
        self._topology = topology
        self._training = topology.training
        self._sizes = sizes
        self._pulls = pulls
        self._lines = {
            site.name: _Line(
                site, whole_path(topology, site), ("hub", *([f"region {site.region}"] if site.region else []))
            )
            for site in topology.sites
        }

    def round(self, number: int) -> Round:
        """Round 1, with the first model, new connections and the studies; or any later one."""
        first = number == 1
        pulls = first or not self._training.volume_cache
        at: dict[str, dict[str, float]] = {site: {} for site in self._lines}
        hands = dict.fromkeys(self._lines, 0.0)
        self._pass(hands, at, "order", self._ordered(hands))
        if first and self._sizes.model:
            self._pass(hands, at, "model", self._models(hands, new=True))
        for site in self._lines:
            seconds = {"pull": self._pulls[site].seconds if pulls else 0.0, "train": self._train_s(site)}
            self._pass(hands, at, "", {site: hands[site] + sum(seconds.values())}, seconds)
        last_update = ""
        if self._sizes.update:
            self._pass(hands, at, "update", self._updates(hands, first))
        last_update = max(hands, key=lambda site: hands[site])
        hands = dict.fromkeys(hands, hands[last_update])
        self._pass(hands, at, "order", self._ordered(hands))
        if self._sizes.model:
            self._pass(hands, at, "model", self._models(hands, new=False))
        for site, line in self._lines.items():
            seconds = {"eval": self._eval_s(site), "report": line.rtt_s}
            self._pass(hands, at, "", {site: hands[site] + sum(seconds.values())}, seconds)
        last_report = max(hands, key=lambda site: hands[site])
        sites = {site: SiteRound(self._wire(site, first, pulls), at[site]) for site in self._lines}
        return Round(hands[last_report], sites, last_update, last_report)

    def _pass(
        self,
        hands: dict[str, float],
        at: Mapping[str, dict[str, float]],
        phase: str,
        ended: Mapping[str, float],
        parts: Mapping[str, float] | None = None,
    ) -> None:
        """Moves hands to where a phase ends, and books its seconds."""
        for site, end in ended.items():
            for name, seconds in (parts or {phase: end - hands[site]}).items():
                at[site][name] = at[site].get(name, 0.0) + seconds
            hands[site] = end

    def _ordered(self, given: Mapping[str, float]) -> dict[str, float]:
        """When each site has its order: it waits for one, so that is one way down."""
        return {site: given[site] + line.path.down.delay_s for site, line in self._lines.items()}

    def _models(self, begins: Mapping[str, float], new: bool) -> dict[str, float]:
        """When each site has its model: a round trip for the request, then the bytes in their share of the links."""
        return self._carried(begins, self._sizes.model, "answer", "down", new)

    def _updates(self, begins: Mapping[str, float], new: bool) -> dict[str, float]:
        """When the hub's answer to each update is there: a round trip after its bytes were let onto the line."""
        return self._carried(begins, self._sizes.update, "request", "up", new)

    def _carried(self, begins: Mapping[str, float], payload: int, head: str, way: str, new: bool) -> dict[str, float]:
        flows, capacities = [], self._shared(way)
        for name, line in self._lines.items():
            own: Direction = getattr(line.path, way)
            site_bps = getattr(line.site.link, way).rate_bps
            carried = 8.0 * transfer(payload, head, own.mtu)[0]
            lead_s = line.rtt_s + slow_start_s(carried, own.rate_bps, line.rtt_s, own.mtu) if new else 0.0
            capacities[name] = site_bps
            flows.append(Flow(name, begins[name] + lead_s, carried, site_bps, (name, *line.shared)))
        return {name: end + self._lines[name].rtt_s for name, end in ends(flows, capacities).items()}

    def _shared(self, way: str) -> dict[str, float]:
        """Capacities of what sites share: the hub's link is crossed in the other direction, seen from the hub."""
        hub = self._topology.hub.link
        shared: dict[str, float] = {"hub": (hub.up if way == "down" else hub.down).rate_bps}
        return shared | {
            f"region {region.name}": getattr(region.link, way).rate_bps for region in self._topology.regions
        }

    def _train_s(self, site: str) -> float:
        samples, _ = self._samples(site)
        return self._training.local_epochs * samples * self._lines[site].site.compute.seconds_per_sample

    def _eval_s(self, site: str) -> float:
        _, subjects = self._samples(site)
        return subjects * FORWARD_SHARE * self._lines[site].site.compute.seconds_per_sample

    def _samples(self, site: str) -> tuple[int, int]:
        """How many studies a site trains on and how many it keeps for testing."""
        classes = self._lines[site].site.cohort.classes
        labels = {
            f"{name}-{number}": index for index, (name, count) in enumerate(classes.items()) for number in range(count)
        }
        parts = split(labels, self._training.test_fraction, self._topology.seed, site)
        return len(parts.train), len(parts.test)

    def _wire(self, site: str, first: bool, pulls: bool) -> dict[str, Wire]:
        return {
            "pull": _pulled(self._pulls[site]) if pulls else Wire(),
            "model": self._model_wire(site, first),
            "update": self._update_wire(site, first),
            "control": self._control_wire(site),
        }

    def _model_wire(self, site: str, first: bool) -> Wire:
        if not self._sizes.model:
            return Wire()
        path = self._lines[site].path
        request = _HEAD_BYTES["request"] + HEADER_BYTES
        total = Wire()
        for new in (True, False) if first else (False,):
            came, went = transfer(self._sizes.model, "answer", path.down.mtu, new)
            total += Wire(came, went + request)
        return total

    def _update_wire(self, site: str, first: bool) -> Wire:
        """What is lost on the way up has left the site, and leaves it again."""
        if not self._sizes.update:
            return Wire()
        up = self._lines[site].path.up
        went, came = transfer(self._sizes.update, "request", up.mtu, first)
        return Wire(came + _HEAD_BYTES["answer"] + HEADER_BYTES, round(went / (1 - up.loss)))

    def _control_wire(self, site: str) -> Wire:
        """Two orders that are asked for, and a report."""
        _, subjects = self._samples(site)
        classes = len(self._lines[site].site.cohort.classes)
        report = _REPORT_BYTES + subjects * (3 + classes * _SCORE_BYTES)
        packets = _CONTROL_PACKETS * HEADER_BYTES
        return Wire(2 * _ORDER_BYTES + 3 * _HEAD_BYTES["answer"] + packets, report + 3 * 100 + packets)


def _pulled(pull: Pull) -> Wire:
    payload = pull.bytes + pull.instances * _PART_BYTES + _LISTED_BYTES
    came, went = transfer(payload, "answer", LAN_MTU, new=True)
    return Wire(came, went)
