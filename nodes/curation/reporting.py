"""What is done about findings."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from nodes.curation.findings import Findings

Policy: TypeAlias = Literal["keep", "drop", "stop"]


@dataclass(frozen=True)
class Verdict:
    """What becomes of a study, and `why` where it is not simply kept."""

    fate: Literal["kept", "dropped", "stop"]
    why: str = ""


def judge(policy: Policy, findings: Findings, unassembled: str = "") -> Verdict:
    """What a topology's policy makes of a study. `unassembled` says why no volume could be made of it, if so: then
    there is nothing to keep.
    """
    found = [f"{kind}: {_first(findings, kind)}" for kind in findings.kinds]
    why = "; ".join((*found, unassembled)) if unassembled else "; ".join(found)
    if not why:
        return Verdict("kept")
    if policy == "stop":
        return Verdict("stop", why)
    return Verdict("dropped", why) if unassembled or policy == "drop" else Verdict("kept", why)


def _first(findings: Findings, kind: str) -> str:
    details = [finding.detail for finding in findings.found if finding.kind == kind]
    return details[0] + (f" (and {len(details) - 1} more)" if len(details) > 1 else "")
