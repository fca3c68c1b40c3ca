"""How many sites a round needs, and which late updates a resumed run still owes."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from trainer.hub.attendance import needed, unused

KEYS = st.tuples(st.sampled_from(["chu", "lyon", "nice"]), st.integers(1, 6))


@given(st.integers(0, 100), st.integers(1, 2000))
def test_a_quorum_is_the_least_number_of_sites_that_is_that_share_of_them(percent: int, sites: int) -> None:
    found = needed(percent / 100, sites)
    assert found * 100 >= percent * sites
    assert (found - 1) * 100 < percent * sites


def arrival(site: str, number: int) -> dict[str, Any]:
    return {"event": "late-arrival", "site": site, "round": number, "sha256": f"{site}{number}", "at_s": 1.0}


def aggregated(number: int, *used: tuple[str, int]) -> dict[str, Any]:
    updates = [{"site": site, "round": of} for site, of in used]
    return {"event": "aggregated", "round": number, "updates": updates}


def test_a_late_update_is_counted_once_and_only_when_its_round_was_closed() -> None:
    events = [arrival("chu", 1), aggregated(2, ("chu", 1), ("nice", 2)), arrival("lyon", 2), arrival("nice", 3)]
    assert [event["site"] for event in unused(events, 2)] == ["lyon"]
    # Round 2 was put together and never closed: it is done again, and counts chu's update again.
    assert [event["site"] for event in unused(events, 1)] == ["chu"]


@given(st.lists(st.tuples(KEYS, st.booleans())), st.integers(0, 6))
def test_no_late_update_is_owed_that_a_closed_round_has_counted(
    told: list[tuple[tuple[str, int], bool]], last: int
) -> None:
    events = [aggregated(key[1], key) if counted else arrival(*key) for key, counted in told]
    owed = {(event["site"], event["round"]) for event in unused(events, last)}
    for place, (key, counted) in enumerate(told):
        later = [other for other, also in told[place + 1 :] if not also]
        if counted and key[1] <= last and key not in later:
            assert key not in owed
    assert all(number <= last for _, number in owed)
