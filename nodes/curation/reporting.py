"""What is done about findings, and a site's report of them."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

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


@dataclass
class SiteReport:
    """What the curation of one site's studies has found so far."""

    site: str
    policy: Policy
    studies: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    dropped: dict[str, str] = field(default_factory=dict)
    remarks: dict[str, str] = field(default_factory=dict)

    def add(self, study: str, findings: Findings, unassembled: str = "") -> Verdict:
        """Judge one more study (its UID as it was asked for), and keep what was found."""
        verdict = judge(self.policy, findings, unassembled)
        self.studies += 1
        self.kinds.update(findings.kinds)
        if verdict.fate == "dropped":
            self.dropped[study] = verdict.why
        elif verdict.why:
            self.remarks[study] = verdict.why
        return verdict

    def as_json(self) -> Mapping[str, Any]:
        """`found` counts studies by kind; `dropped` and `remarks` (kept all the same) say why, by study."""
        return {
            "site": self.site,
            "policy": self.policy,
            "studies": self.studies,
            "found": dict(sorted(self.kinds.items())),
            "dropped": dict(sorted(self.dropped.items())),
            "remarks": dict(sorted(self.remarks.items())),
        }
