"""The slowest sites, and where their time goes."""

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from testbed.report.facts import PHASES, Facts
from testbed.report.plots.learning import time_unit
from testbed.report.theme import PHASE, style, svg

SHOWN = 15
SAYS = {
    "pull": "pull from the PACS",
    "send": "studies sent to the hub",
    "model": "model download",
    "train": "training (modelled)",
    "update": "update upload",
    "eval": "evaluation (modelled)",
}


def slowest(facts: Facts) -> list[str]:
    """Sites by the emulated seconds that they spent over the run, the slowest first."""
    return sorted(facts.time_by_site, key=lambda site: -sum(facts.time_by_site[site].values()))


def draw(facts: Facts) -> str:
    """A bar for each of the slowest sites, in phases."""
    sites = slowest(facts)[:SHOWN]
    divisor, unit = time_unit(max((sum(facts.time_by_site[s].values()) for s in sites), default=0))
    with style():
        figure = Figure(figsize=(12.6, 1.3 + 0.27 * max(len(sites), 3)), layout="constrained")
        axes = figure.add_subplot()
        start = [0.0] * len(sites)
        for phase in PHASES:
            lengths = [facts.time_by_site[site].get(phase, 0.0) / divisor for site in sites]
            if not any(lengths):
                continue
            axes.barh(sites, lengths, left=start, color=PHASE[phase], height=0.74, label=SAYS[phase])
            start = [a + b for a, b in zip(start, lengths, strict=True)]
        axes.invert_yaxis()
        axes.grid(visible=False, axis="y")
        axes.xaxis.set_major_locator(MaxNLocator(nbins=8))
        axes.set_xlabel(f"emulated time over the run ({unit})")
        figure.legend(loc="outside lower center", ncols=5, fontsize=9)
        return svg(figure, "slowest-sites", "Emulated time of the slowest sites, by phase")
