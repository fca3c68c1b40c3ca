"""How well the model learned: by round and by emulated time, with the worst site beside the whole."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from testbed.report.facts import LEADING, Facts, Round
from testbed.report.theme import BROKEN, FAINT, SERIES, style, svg

CURVES = (
    (LEADING, "balanced accuracy", SERIES[0], "o"),
    ("accuracy", "accuracy", SERIES[5], "s"),
    ("worst_site_accuracy", "accuracy at the worst site", SERIES[1], "v"),
)
MINUTES_FROM_S = 600.0  # from here on a time axis is in minutes


def by_round(facts: Facts) -> str:
    """Accuracy over rounds."""
    with style():
        figure, axes = _canvas("round", "accuracy by round")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        _curves(axes, facts.rounds, [float(r.number) for r in facts.rounds])
        for number in sorted({fault.round for fault in facts.faults}):
            _mark(axes, number, number)
        return svg(figure, "accuracy-by-round", "Accuracy by round")


def by_time(facts: Facts) -> str:
    """Accuracy over the emulated clock."""
    divisor, unit = time_unit(facts.emulated_s)
    with style():
        figure, axes = _canvas(f"emulated time ({unit})", "accuracy by emulated time")
        _curves(axes, facts.rounds, [r.emulated_end_s / divisor for r in facts.rounds])
        for fault in facts.faults:
            _mark(axes, fault.emulated_s / divisor, (fault.emulated_s + (fault.for_s or 0.0)) / divisor)
        axes.set_xlim(left=0)
        return svg(figure, "accuracy-by-time", "Accuracy by emulated time")


def time_unit(longest_s: float) -> tuple[float, str]:
    """The divisor and name of the unit that an axis up to `longest_s` is drawn in."""
    return (60.0, "min") if longest_s >= MINUTES_FROM_S else (1.0, "s")


def chance_line(axes: Axes, classes: int) -> None:
    """A dashed line at what guessing reaches in balanced accuracy."""
    axes.axhline(1 / classes, color=FAINT, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    axes.annotate(
        "chance",
        (0, 1 / classes),
        xycoords=("axes fraction", "data"),
        xytext=(4, -10),
        textcoords="offset points",
        fontsize=8,
        color=FAINT,
    )


def _mark(axes: Axes, begin: float, end: float) -> None:
    """A mark at the foot of the axes where something was broken."""
    axes.axvspan(begin, max(begin, end), color=BROKEN, alpha=0.15, linewidth=0, zorder=0)
    axes.plot(begin, 0, marker="^", color=BROKEN, markersize=6, clip_on=False, zorder=4)


def _canvas(below: str, title: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(6.2, 3.9), layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel(below)
    axes.set_ylabel("of held-out test subjects")
    axes.set_title(title)
    axes.set_ylim(0, 1)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    return figure, axes


def _curves(axes: Axes, rounds: Sequence[Round], across: Sequence[float]) -> None:
    for metric, label, colour, marker in CURVES:
        points = [(x, r.metrics[metric]) for x, r in zip(across, rounds, strict=True) if metric in r.metrics]
        if points:
            axes.plot(
                *zip(*points, strict=True),
                color=colour,
                marker=marker,
                markersize=4.5,
                linewidth=1.8,
                label=label,
            )
    chance_line(axes, classes=3)
    if any(metric in r.metrics for metric, *_ in CURVES for r in rounds):
        axes.figure.legend(loc="outside lower center", ncols=3, fontsize=9)
