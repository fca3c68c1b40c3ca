"""Several runs over one another: what they reached, when, and for how many bytes."""

from collections.abc import Callable, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from testbed.costs import PURPOSES, WAN
from testbed.report.facts import LEADING, Facts, Round
from testbed.report.plots.learning import chance_line, time_unit
from testbed.report.plots.traffic import byte_axis, stacked
from testbed.report.theme import SERIES, style, svg

MARKERS = "osvD^PX*"


def curves_by_round(runs: Sequence[Facts]) -> str:
    """Balanced accuracy over rounds, a curve a run."""
    return _curves(runs, "round", "balanced accuracy by round", "compared-by-round", lambda r: float(r.number))


def curves_by_time(runs: Sequence[Facts]) -> str:
    """Balanced accuracy over the emulated clock, a curve a run."""
    divisor, unit = time_unit(max(facts.emulated_s for facts in runs))
    title = "balanced accuracy by emulated time"
    return _curves(runs, f"emulated time ({unit})", title, "compared-by-time", lambda r: r.emulated_end_s / divisor)


def curves_by_bytes(runs: Sequence[Facts]) -> str:
    """Wire bytes of each round over the WAN, a curve a run."""
    with style():
        figure, axes = _canvas("round", "bytes over the WAN by round")
        byte_axis(axes)
        for facts, colour, marker in _dressed(runs):
            numbers = [r.number for r in facts.rounds]
            heights = [sum(facts.by_round.get(n, {}).get(p, 0) for p in WAN) for n in numbers]
            axes.plot(numbers, heights, color=colour, marker=marker, markersize=4.5, label=facts.run)
        axes.set_ylim(0, axes.get_ylim()[1] * 1.1)
        figure.legend(loc="outside lower center", ncols=2, fontsize=9)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        return svg(figure, "compared-bytes", "Bytes over the WAN by round, by run")


def totals(runs: Sequence[Facts]) -> str:
    """Wire bytes of whole runs, stacked by purpose."""
    with style():
        figure, axes = _canvas("", "wire bytes of the whole run")
        byte_axis(axes)
        stacked(axes, range(len(runs)), PURPOSES, lambda p: [facts.wire(p) for facts in runs])
        axes.set_xticks(range(len(runs)), [facts.run.replace("-", "-\n", 1) for facts in runs], fontsize=8.5)
        figure.legend(loc="outside lower center", ncols=2, fontsize=9)
        return svg(figure, "compared-totals", "Wire bytes of whole runs, stacked by purpose")


def _curves(runs: Sequence[Facts], below: str, title: str, name: str, across: Callable[[Round], float]) -> str:
    with style():
        figure, axes = _canvas(below, title)
        for facts, colour, marker in _dressed(runs):
            points = [(across(r), r.metrics[LEADING]) for r in facts.rounds if LEADING in r.metrics]
            if points:
                axes.plot(*zip(*points, strict=True), color=colour, marker=marker, markersize=4.5, label=facts.run)
        axes.set_ylim(0, 1)
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        if below == "round":
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        else:
            axes.set_xlim(left=0)
        chance_line(axes, classes=3)
        figure.legend(loc="outside lower center", ncols=2, fontsize=9)
        return svg(figure, name, title)


def _canvas(below: str, title: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(6.2, 3.9), layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel(below)
    axes.set_title(title)
    return figure, axes


def _dressed(runs: Sequence[Facts]) -> list[tuple[Facts, str, str]]:
    return [(facts, SERIES[i % len(SERIES)], MARKERS[i % len(MARKERS)]) for i, facts in enumerate(runs)]
