"""What was found of one round, or of one link: a figure beside its bound, and the sentence that says so."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Reason = Literal["rtt", "loss", "overflow", "missed", "router", "waiting", "host", "late"]
Verdict = Literal["ok", "exceeded"]


@dataclass(frozen=True)
class Finding:
    """`place` is a site, or '' where it concerns the whole world. Figures are in SI units; `bound` is how far `figure`
    may be from `asked`, or how far it may go. None: nothing is asked, or it is not judged.
    """

    reason: Reason
    place: str
    figure: float
    asked: float | None
    bound: float | None
    exceeded: bool
    said: str


def verdict(findings: Iterable[Finding]) -> Verdict:
    """`exceeded` where one of them is."""
    return "exceeded" if any(finding.exceeded for finding in findings) else "ok"
