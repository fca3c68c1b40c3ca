"""What is told of the studies that a site pulls, whether it trains on them itself or sends them to the hub."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from nodes.curation import Policy
from nodes.errors import PullFailed
from nodes.fetched import Fetched


def failed(uid: str, error: PullFailed) -> Fetched:
    """How a study that could not be had is told in the run's record."""
    fetched = error.fetched or Fetched(uid, "", "", 0, 0, 0)
    return replace(fetched, fate="failed", remark=str(error))


def pass_over(
    site: str, curation: Policy | None, odd: Iterable[str], came: list[Fetched], failures: list[PullFailed]
) -> None:
    """Studies that the PACS has and nobody can ask for: failures, unless curation may drop studies."""
    for why in odd:
        if curation in ("keep", "drop"):
            came.append(Fetched("", "", why, 0, 0, 0, fate="dropped", remark=why))
        else:
            failures.append(PullFailed(f"{site}: {why}"))
            came.append(failed("", failures[-1]))


def prove(site: str, came: Sequence[Fetched], failures: Sequence[PullFailed], kept: int) -> None:
    """Raises PullFailed that names the first study that failed, and where curation left none of those that came."""
    if failures:
        more = f" (and {len(failures) - 1} more studies)" if len(failures) > 1 else ""
        raise type(failures[0])(f"{failures[0]}{more}")
    if not kept and came:
        raise PullFailed(f"{site}: curation dropped all {len(came)} studies; the first: {came[0].remark}")
