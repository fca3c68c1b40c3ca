"""What a place is asked for, as plain data: interfaces, addresses, routes. `inside.netlink` carries it out.

`kind` tells the orders apart once they are JSON.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Change:
    """An interface as it should be; what is not given stays. `bridge`: the bridge that it becomes a port of.

    `single_packets` forbids the kernel to hand packets over in bundles (generic segmentation offload).
    """

    name: str
    mac: str | None = None
    mtu: int | None = None
    bridge: str | None = None
    up: bool = False
    promiscuous: bool = False
    single_packets: bool = False
    kind: str = "change"


@dataclass(frozen=True)
class Bridge:
    """A new bridge, up."""

    name: str
    mac: str
    mtu: int
    kind: str = "bridge"


@dataclass(frozen=True)
class Cable:
    """A new pair of interfaces (veth). The far end is at `far_place`, or beside the near one.

    Of the far end only name, MAC and MTU can be given: the kernel raises no interface whose peer is not there yet, and
    before 6.0 it lays the near end's bounds of offloading over the far one's.
    """

    near: Change
    far: Change
    far_place: str | None
    kind: str = "cable"


@dataclass(frozen=True)
class Move:
    """An interface that goes to another place, and what it is called there."""

    name: str
    far_place: str
    called: str
    kind: str = "move"


@dataclass(frozen=True)
class Isolation:
    """A bridge's port that sees no other isolated one, learns nothing and is flooded with nothing."""

    name: str
    kind: str = "isolation"


@dataclass(frozen=True)
class Removal:
    """An interface that goes, and its other end with it."""

    name: str
    kind: str = "removal"


@dataclass(frozen=True)
class Address:
    device: str
    address: str
    prefix: int
    kind: str = "address"


@dataclass(frozen=True)
class Route:
    """The default route, in place of any other. `onlink`: `via` need not be in a network of the device. `mtu`: of what
    goes this way.
    """

    device: str
    via: str
    onlink: bool = False
    source: str | None = None
    mtu: int | None = None
    kind: str = "route"


@dataclass(frozen=True)
class Neighbour:
    """Which MAC address a neighbour has, for good."""

    device: str
    address: str
    mac: str
    kind: str = "neighbour"


@dataclass(frozen=True)
class Forward:
    """Which port of a bridge a MAC address is behind; replaces what was known of it."""

    port: str
    mac: str
    kind: str = "forward"


Order = Change | Bridge | Cable | Move | Isolation | Removal | Address | Route | Neighbour | Forward
