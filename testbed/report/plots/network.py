"""The map of the network: the hub, and around it sites by group, as far away as their round trip."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from emulator.topology import Link, Site, Topology
from testbed.report.theme import FAINT, GRID, INK, PAPER, SERIES, SPEED, bare, style, svg
from testbed.units import rate

SPEED_BOUNDS_BPS = (10e6, 50e6, 200e6, 1e9)  # between the classes of SPEED
FEW = 12  # so few sites need no large circle
NAMED_UP_TO = 120  # more names than this around a circle can't be read
INNER, OUTER = 0.30, 1.0  # radii of the shortest and the longest round trip
GAP = 0.06  # radians between two groups


@dataclass(frozen=True)
class Spot:
    """Where a site stands: `angle` in radians clockwise from the top, `radius` 1 at the outermost."""

    site: Site
    angle: float
    radius: float

    @property
    def xy(self) -> tuple[float, float]:
        return self.radius * math.sin(self.angle), self.radius * math.cos(self.angle)


def draw(topology: Topology) -> str:
    """The whole map as an `<svg>`."""
    spots = layout(topology)
    with style():
        figure = Figure(figsize=(11.0, 8.8 if len(spots) > FEW else 6.6))
        axes = figure.add_axes((0.0, 0.05, 1.0, 0.95))
        bare(axes)
        axes.set_aspect("equal")
        _rings(axes, topology)
        _links(axes, spots)
        _sites(axes, spots)
        _names(axes, spots)
        _hub(axes, topology)
        _keys(figure, topology)
        axes.set_xlim(-1.69, 1.69)
        axes.set_ylim(-1.42, 1.42)
        return svg(figure, "map", _says(topology))


def round_trip_s(topology: Topology, site: Site) -> float:
    """The path's round trip between a site and the hub: both access links, both directions."""
    return _both(site.link) + _both(topology.hub.link)


def layout(topology: Topology) -> tuple[Spot, ...]:
    """Groups share the circle by their size; groups and sites stand in the document's order."""
    names = dict.fromkeys(site.group for site in topology.sites)
    groups = [[site for site in topology.sites if site.group == name] for name in names]
    step = (2 * math.pi - GAP * len(groups)) / len(topology.sites)
    reach = _Reach.over([round_trip_s(topology, site) for site in topology.sites])
    spots: list[Spot] = []
    angle = GAP / 2
    for members in groups:
        for site in members:
            spots.append(Spot(site, angle + step / 2, reach.radius(round_trip_s(topology, site))))
            angle += step
        angle += GAP
    return tuple(spots)


@dataclass(frozen=True)
class _Reach:
    """Round trips to radii, by their logarithm: 2 ms and 100 ms must both be seen."""

    least_s: float
    most_s: float

    @classmethod
    def over(cls, round_trips_s: Sequence[float]) -> "_Reach":
        floor = 1e-4
        return cls(max(min(round_trips_s), floor), max(*round_trips_s, floor))

    def radius(self, round_trip_s: float) -> float:
        if self.most_s <= self.least_s * 1.01:
            return 0.8
        part: float = math.log(max(round_trip_s, self.least_s) / self.least_s) / math.log(self.most_s / self.least_s)
        return INNER + (OUTER - INNER) * part


def _both(link: Link) -> float:
    return link.down.delay_s + link.up.delay_s


def speed_class(bits_per_second: float) -> int:
    """The index into SPEED, 0 for the slowest."""
    return sum(bits_per_second >= bound for bound in SPEED_BOUNDS_BPS)


def _rings(axes: Axes, topology: Topology) -> None:
    trips = [round_trip_s(topology, site) for site in topology.sites]
    reach = _Reach.over(trips)
    shown = [ms for ms in (1.0, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if min(trips) <= ms / 1000 <= max(trips) * 1.02]
    for ms in shown or [round(trips[0] * 1000, 1)]:
        radius = reach.radius(ms / 1000)
        circle = [(radius * math.sin(a), radius * math.cos(a)) for a in (i * math.pi / 90 for i in range(181))]
        axes.plot(*zip(*circle, strict=True), color=GRID, linewidth=1.0, zorder=0)
        axes.annotate(
            f"{ms:g} ms", (0, radius), ha="center", va="center", fontsize=8, color=FAINT, zorder=1,
            bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 1.5},
        )  # fmt: skip


def _links(axes: Axes, spots: Sequence[Spot]) -> None:
    for spot in spots:
        speed = speed_class(spot.site.link.down.rate_bps)
        x, y = spot.xy
        axes.plot((0, x), (0, y), color=SPEED[speed], linewidth=0.9 + 0.55 * speed, alpha=0.75, zorder=2)


def _sites(axes: Axes, spots: Sequence[Spot]) -> None:
    colours = group_colours([spot.site for spot in spots])
    most = max(spot.site.cohort.studies for spot in spots)
    for spot in spots:
        size = 40 + 160 * spot.site.cohort.studies / most
        colour = colours[spot.site.group]
        axes.scatter(*spot.xy, s=size, color=colour, edgecolors=PAPER, linewidths=1.2, zorder=3)


def group_colours(sites: Sequence[Site]) -> Mapping[str, str]:
    """Group → colour, in the document's order; with more groups than colours they come round again."""
    groups = list(dict.fromkeys(site.group for site in sites))
    return {group: SERIES[place % len(SERIES)] for place, group in enumerate(groups)}


def _names(axes: Axes, spots: Sequence[Spot]) -> None:
    if len(spots) > NAMED_UP_TO:
        return
    size = 9.5 if len(spots) <= 60 else 7.0
    for spot in spots:
        right = math.sin(spot.angle) >= 0
        turn = 90 - math.degrees(spot.angle) if right else 270 - math.degrees(spot.angle)
        ends = [(r * math.sin(spot.angle), r * math.cos(spot.angle)) for r in (spot.radius + 0.045, OUTER + 0.06)]
        axes.plot(*zip(*ends, strict=True), color=GRID, linewidth=0.7, linestyle=(0, (2, 2)), zorder=1)
        axes.annotate(
            spot.site.name, (1.08 * math.sin(spot.angle), 1.08 * math.cos(spot.angle)), rotation=turn,
            rotation_mode="anchor", ha="left" if right else "right", va="center", fontsize=size, color=INK,
        )  # fmt: skip


def _hub(axes: Axes, topology: Topology) -> None:
    axes.scatter(0, 0, s=900, color=INK, edgecolors=PAPER, linewidths=2, zorder=4)
    axes.annotate("hub", (0, 0), ha="center", va="center", fontsize=10, color=PAPER, zorder=5, weight="bold")


def _keys(figure: Figure, topology: Topology) -> None:
    names = _speed_names()
    used = sorted({speed_class(site.link.down.rate_bps) for site in topology.sites})
    lines = [Line2D([], [], color=SPEED[c], linewidth=0.9 + 0.55 * c, label=names[c]) for c in used]
    dots = [
        Line2D(
            [],
            [],
            linestyle="none",
            marker="o",
            markersize=8,
            markeredgecolor=PAPER,
            color=colour,
            label=group,
        )
        for group, colour in list(group_colours(topology.sites).items())[:12]
    ]
    figure.legend(handles=lines, loc="lower left", title="access link, down", alignment="left", fontsize=9)
    figure.legend(handles=dots, loc="lower right", title="group", alignment="left", fontsize=9)


def _speed_names() -> tuple[str, ...]:
    bounds = SPEED_BOUNDS_BPS
    between = [f"{rate(low).split()[0]} to {rate(high)}" for low, high in pairwise(bounds)]
    return (f"under {rate(bounds[0])}", *between, f"{rate(bounds[-1])} and more")


def _says(topology: Topology) -> str:
    return f"Map of {topology.name}: {len(topology.sites)} sites around the hub, by their round trip"
