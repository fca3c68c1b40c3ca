"""What the topology asks of everything between a site and the hub: pure."""

import math
from dataclasses import dataclass

from emulator.fidelity import chance
from emulator.places import worker_address
from emulator.shaping import whole_path
from emulator.topology.resolved import Direction, Site, Topology

_HEADERS_BYTES = 52  # IP 20, TCP 20, and TCP's timestamps 12
_MATHIS = math.sqrt(1.5)
_MOST_FLOWS = 16
_FLOWS_OF_A_LONG_PATH = 4
_LONG_S = 0.05


@dataclass(frozen=True)
class Asked:
    """`path` is seen from the site. Times in seconds, rates in bits per second, fractions from 0 to 1."""

    site: str
    region: str | None
    address: str
    down: Direction
    up: Direction

    @property
    def rtt_s(self) -> float:
        """The mean round-trip time of a packet that meets no other."""
        return self.down.delay_s + self.up.delay_s

    @property
    def jitter_s(self) -> float:
        """The standard deviation of round-trip times."""
        return math.hypot(self.down.jitter_s, self.up.jitter_s)

    @property
    def loss(self) -> float:
        """Share of packets that don't come back: lost, or spoilt, on one of the two ways."""
        kept = 1.0
        for way in (self.down, self.up):
            kept *= (1 - way.loss) * (1 - way.corrupt)
        return 1 - kept

    @property
    def alike(self) -> float:
        """See `chance.interval`."""
        return max(chance.alike(self.down), chance.alike(self.up))

    @property
    def per_wire(self) -> float:
        """IP bytes for each byte that TCP hands over, in full packets."""
        mtu = min(self.down.mtu, self.up.mtu)
        return mtu / (mtu - _HEADERS_BYTES)

    def flow_bps(self, way: Direction) -> float:
        """What losses leave one TCP flow that slows down at each of them (Mathis et al. 1997, eq. 3)."""
        lost = 1 - (1 - way.loss) * (1 - way.corrupt)
        if not lost:
            return math.inf
        return way.mtu * 8 * _MATHIS / (max(self.rtt_s, 0.001) * math.sqrt(lost))

    def flows(self, way: Direction) -> int:
        """How many TCP flows it takes to fill this direction, with as much again to spare; `_MOST_FLOWS` at most."""
        patient = _FLOWS_OF_A_LONG_PATH if self.rtt_s > _LONG_S or way.queue_s < self.rtt_s or way.reorder else 1
        return min(_MOST_FLOWS, max(patient, math.ceil(2 * way.rate_bps / self.flow_bps(way))))

    def fillable(self, way: Direction) -> bool:
        """Whether TCP can fill this direction at all: else a transfer tells of TCP, not of the link."""
        return self.flows(way) * self.flow_bps(way) >= way.rate_bps and not way.reorder


def asked(topology: Topology, site: Site) -> Asked:
    """What is asked between this site's worker and the hub."""
    path = whole_path(topology, site)
    return Asked(site.name, site.region, worker_address(site.index), path.down, path.up)
