"""What the WAN's router can't do of what a topology asks, said where a world comes up."""

from emulator import wan
from emulator.topology import Topology
from emulator.worlds import capacity
from testbed.units import rate

_NAMED = 5
_WITHOUT_NETEM = (
    "without netem, delays hold for TCP connections to the hub only (ping shows none), and nothing is lost, doubled, "
    "damaged or reordered, nor do links vary in more than their rate"
)


def shortfall(topology: Topology, kernel: str) -> list[str]:
    """Lines to tell; none where the router carries everything, or nobody has measured it and little is asked."""
    lines = [] if wan.choose(kernel).netem else [_WITHOUT_NETEM]
    measured = capacity.kept(kernel)
    if measured is None:
        asked = capacity.beyond(topology, 0).together_bps
        return [
            *lines,
            f"links may ask for {rate(asked)} together; `testbed doctor` measures what the router carries here",
        ]
    beyond = capacity.beyond(topology, measured.bps)
    carried = f"the router carries {rate(measured.bps)} here"
    if beyond.sites:
        more = f" and {len(beyond.sites) - _NAMED} more" if len(beyond.sites) > _NAMED else ""
        named = ", ".join(beyond.sites[:_NAMED]) + more
        lines.append(f"{carried}: wider links keep their delay but not their rate: {named}")
    if beyond.together_bps:
        lines.append(
            f"{carried}, and all links together may ask for {rate(beyond.together_bps)}: rounds that do are slower"
        )
    return lines
