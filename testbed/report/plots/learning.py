"""How well the model learned: by round and by emulated time, with the worst site beside the whole."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from testbed.report.facts import LEADING, Facts, Round
from testbed.report.theme import FAINT, SERIES, style, svg

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
        return svg(figure, "accuracy-by-round", "Accuracy by round")


def by_time(facts: Facts) -> str:
    """Accuracy over the emulated clock."""
    divisor, unit = time_unit(facts.emulated_s)
    with style():
        figure, axes = _canvas(f"emulated time ({unit})", "accuracy by emulated time")
        _curves(axes, facts.rounds, [r.emulated_end_s / divisor for r in facts.rounds])
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
