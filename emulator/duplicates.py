"""Duplicated packets, as text for `ip` and `tc` in the router: pure, nothing is done here.

Newer kernels refuse a netem that duplicates beside another netem in one tree of queues (the copies entered at the root
once more). So what is to be duplicated takes a detour on its way in: each direction of each such site has an
intermediate device (ifb) with a netem of its own that does nothing else.
"""

from collections.abc import Iterable

from emulator.places import HUB_ADDRESS, subnet
from emulator.shaping import FROM_HUB, WAYS, whole_path
from emulator.topology.resolved import Link, Topology

_PREFIX = "dup"
_LIMIT_PACKETS = 10_000  # nothing waits here; netem wants a number


def detours(topology: Topology) -> dict[str, tuple[int, int, float]]:
    """The devices that are needed: name → (way, site's index, share of packets that arrive twice)."""
    found = {}
    for site in topology.sites:
        path = whole_path(topology, site)
        for name, number in WAYS.items():
            if possible(site.link, name):
                found[_device(number, site.index)] = (number, site.index, getattr(path, name).duplicate)
    return found


def possible(link: Link, way: str) -> bool:
    """Whether a link duplicates packets one way, now or in its schedule."""
    return bool(getattr(link, way).duplicate or any(getattr(episode, way).duplicate for episode in link.schedule))


def _device(way: int, index: int) -> str:
    return f"{_PREFIX}{way}-{index}"


def share(way: int, index: int, duplicated: float) -> str:
    """The line for `tc -batch` that says how much a detour duplicates."""
    percent = f"{duplicated * 100:.6f}%"
    return f"qdisc replace dev {_device(way, index)} root netem limit {_LIMIT_PACKETS} duplicate {percent}"


def is_detour(device: str) -> bool:
    """Whether a device of the router is one of these, by its name."""
    return device.startswith(_PREFIX)


def devices(wanted: Iterable[str], present: Iterable[str]) -> list[str]:
    """Lines for `ip -batch` that lead from the detours that are `present` to the wanted ones."""
    lines = [f"link delete {name}" for name in sorted(set(present) - set(wanted))]
    for name in sorted(set(wanted) - set(present)):
        lines += [f"link add {name} type ifb", f"link set {name} up"]
    return lines


def queues(wanted: dict[str, tuple[int, int, float]], *, redirected: bool) -> list[str]:
    """Lines for `tc -batch`: the detours' queues, and what leads to them; `redirected` where that is there already."""
    lines = ["qdisc delete dev @DEV@ clsact"] if redirected else []
    if wanted:
        lines.append("qdisc add dev @DEV@ clsact")
    for name, (way, index, duplicated) in wanted.items():
        ends = [f"match ip src {subnet(index)}", f"match ip dst {HUB_ADDRESS}"]
        if way == FROM_HUB:
            ends = [f"match ip src {HUB_ADDRESS}", f"match ip dst {subnet(index)}"]
        lines.append(share(way, index, duplicated))
        lines.append(
            f"filter add dev @DEV@ ingress protocol ip prio 1 u32 {' '.join(ends)} "
            f"action mirred egress redirect dev {name}"
        )
    return lines
