"""Where the bytes went, by round and by site, by purpose; the WAN apart from the hospitals' own LANs."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from testbed.costs import PURPOSES, WAN
from testbed.report.facts import Facts
from testbed.report.theme import PURPOSE, style, svg
from testbed.units import octets

SAYS: Mapping[str, str] = MappingProxyType(
    {
        "pull": "pull (PACS to worker, on the LAN)",
        "model": "model (hub to site)",
        "update": "update (site to hub)",
        "studies": "studies (site to hub, which trains)",
        "control": "control",
    }
)
MOST_TICKS = 25
NAMED_SITES = 80  # more bars than this can't be told apart by name
TURNED_FROM = 12  # names of more bars than this stand upright


def by_round(facts: Facts) -> str:
    """Wire bytes of each round over all sites: what crossed the WAN, and beside it what the pulls moved."""
    numbers = [r.number for r in facts.rounds]
    with style():
        figure = Figure(figsize=(12.6, 3.7), layout="constrained")
        wan, lan = figure.subplots(1, 2, width_ratios=(2, 1))
        for axes, purposes, title in (
            (wan, WAN, "over the WAN, by round"),
            (lan, ("pull",), "from the PACS, by round"),
        ):
            byte_axis(axes)
            stacked(axes, numbers, purposes, lambda p: [facts.by_round.get(n, {}).get(p, 0) for n in numbers])
            axes.set_xticks(numbers[:: 1 + len(numbers) // MOST_TICKS])
            axes.set_title(title)
            axes.set_xlabel("round")
        figure.legend(loc="outside lower center", ncols=4, fontsize=9)
        return svg(figure, "bytes-by-round", "Wire bytes by round, stacked by purpose")


def by_site(facts: Facts) -> str:
    """Wire bytes of every site over the run, the most over the WAN first; below it what it pulled."""
    sites = sorted(facts.by_site, key=lambda site: -sum(facts.by_site[site].get(p, 0) for p in WAN))
    places = list(range(len(sites)))
    with style():
        figure = Figure(figsize=(12.6, 5.4), layout="constrained")
        wan, lan = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
        for axes, purposes, title in (
            (wan, WAN, "over the WAN, by site"),
            (lan, ("pull",), "from the PACS, by site"),
        ):
            byte_axis(axes)
            stacked(axes, places, purposes, lambda p: [facts.by_site[site].get(p, 0) for site in sites])
            axes.set_title(title)
        name_bars(lan, sites)
        figure.legend(loc="outside lower center", ncols=4, fontsize=9)
        return svg(figure, "bytes-by-site", "Wire bytes by site, stacked by purpose")


def name_bars(axes: Axes, names: Sequence[str]) -> None:
    """Writes the bars' names under them, as many as can be read."""
    if len(names) > NAMED_SITES:
        axes.set_xticks([])
        axes.set_xlabel(f"{len(names)} sites, the most over the WAN first")
        return
    turned = len(names) > TURNED_FROM
    axes.set_xticks(range(len(names)), names, rotation=90 if turned else 0, fontsize=8.5 if turned else 9.5)


def stacked(
    axes: Axes, places: Sequence[int], purposes: Sequence[str], amounts: Callable[[str], Sequence[int]]
) -> None:
    """Bars of bytes at `places`, stacked by purpose; `amounts` gives the heights of one purpose."""
    below = [0] * len(places)
    for purpose in (p for p in PURPOSES if p in purposes):
        heights = list(amounts(purpose))
        if not any(heights):
            continue
        axes.bar(places, heights, bottom=below, color=PURPOSE[purpose], width=0.76, label=SAYS[purpose])
        below = [a + b for a, b in zip(below, heights, strict=True)]
    middle, half = (places[0] + places[-1]) / 2, max(len(places), 4) / 2
    axes.set_xlim(middle - half - 0.1, middle + half + 0.1)


def byte_axis(axes: Axes) -> None:
    """Ticks along the upright axis in bytes."""
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: octets(value).replace(".0 ", " ")))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 2.5, 5, 10]))
    axes.grid(visible=False, axis="x")
