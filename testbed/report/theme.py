"""Colours and lettering of the plots, and how a figure becomes inline SVG that follows the page's theme.

Each role has one colour. In the SVG it is written as a CSS variable, so that the page's style sheet decides.
The series are Okabe and Ito's (2008) colours, told apart with every common colour vision.
"""

import io
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK = "#1c2733"
FAINT = "#6b7785"
GRID = "#dde3e9"
PAPER = "#fefeff"
SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6bb1", "#7f7f00")
SPEED = ("#b2420b", "#e08214", "#b5a642", "#4f9bc4", "#1f5fa8")  # slow to fast, safe for every colour vision
BROKEN = SPEED[0]

PURPOSE: Mapping[str, str] = MappingProxyType(
    {"pull": SERIES[2], "model": SERIES[0], "update": SERIES[1], "studies": SERIES[4], "control": SERIES[3]}
)
PHASE: Mapping[str, str] = MappingProxyType(
    {
        "pull": SERIES[2],
        "send": SERIES[6],
        "model": SERIES[0],
        "train": SERIES[4],
        "update": SERIES[1],
        "eval": SERIES[5],
    }
)
_VARIABLES: Mapping[str, str] = MappingProxyType(
    {INK: "--ink", FAINT: "--faint", GRID: "--grid", PAPER: "--paper"}
    | {colour: f"--series-{place}" for place, colour in enumerate(SERIES)}
    | {colour: f"--speed-{place}" for place, colour in enumerate(SPEED)}
)
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: the page's font, selectable, small
    "font.size": 10.0,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.titlesize": 11.0,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
}


@contextmanager
def style() -> Iterator[None]:
    """The drawing style of every plot of a report."""
    with mpl.rc_context(_STYLE):
        yield


def svg(figure: Figure, name: str, says: str) -> str:
    """The figure as an inline `<svg>`. `name` keeps its ids apart from others'; `says` is read aloud."""
    page = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": name, "svg.fonttype": "none"}):
        figure.savefig(page, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    drawn = page.getvalue()
    drawn = drawn[drawn.index("<svg") :]
    drawn = re.sub(r"<metadata>.*?</metadata>", "", drawn, flags=re.DOTALL)
    drawn = re.sub(r' id="[A-Za-z_]+_\d+"', "", drawn)  # matplotlib's counters: the same in every figure of a page
    drawn = re.sub(r'^<svg [^>]*?(viewBox="[^"]+")[^>]*>', rf'<svg role="img" aria-label="{_quoted(says)}" \1>', drawn)
    for colour, variable in _VARIABLES.items():
        drawn = drawn.replace(colour, f"var({variable})")
    return drawn


def bare(axes: Axes) -> None:
    """Takes frame, ticks and grid from axes."""
    axes.set_axis_off()
    axes.grid(visible=False)


def _quoted(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
