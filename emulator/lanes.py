"""One site's traffic one way as the router sees it, and the lines that change it in place. Pure, and plain Python."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce

from emulator import duplicates, shaping
from emulator.topology.resolved import Direction, Link, Topology
from emulator.variation import WAYS, Way


@dataclass(frozen=True)
class Lane:
    """Where a site's class hangs in the router's tree, what it is guaranteed there (by the topology: changes of rate
    leave it), and what lies beyond the site's own link: its region's and the hub's.
    """

    way: int
    index: int
    parent: str
    guaranteed_bps: int
    beyond: tuple[Direction, ...]

    def lines(self, own: Direction, *, detour: bool) -> list[str]:
        """Lines for `tc -batch`: the lane with `own` as the direction of the site's link. They replace values in place:
        what waits in the lane's queues stays there. `detour`: there is a device that duplicates.
        """
        whole = reduce(shaping.path, self.beyond, own)
        lines = shaping.site_queues(self.way, self.index, whole, self.parent, self.guaranteed_bps)
        return [*lines, duplicates.share(self.way, self.index, own.duplicate)] if detour else lines


Lanes = Mapping[Way, Lane]


def lanes(topology: Topology) -> dict[str, Lanes]:
    """Both lanes of every site, by its name."""
    shared = {region.name: region.link for region in topology.regions}
    found: dict[str, dict[Way, Lane]] = {site.name: {} for site in topology.sites}
    for name in WAYS:
        way = shaping.WAYS[name]
        for site, parent, guaranteed_bps in shaping.tree(topology, way):
            links = [shared[site.region]] if site.region in shared else []
            beyond = [getattr(link, name) for link in links]
            beyond.append(topology.hub.link.up if name == "down" else topology.hub.link.down)
            found[site.name][name] = Lane(way, site.index, parent, guaranteed_bps, tuple(beyond))
    return dict(found)


def lines(lanes: Lanes, link: Link) -> dict[Way, list[str]]:
    """Each way's lines for a link as it is now."""
    return {way: lanes[way].lines(getattr(link, way), detour=duplicates.possible(link, way)) for way in WAYS}
