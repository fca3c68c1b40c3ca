from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from testbed.costs import COUNTS, PURPOSES, costs, grouped, payload, wire

numbers = st.integers(min_value=0, max_value=2**50)
entry = st.fixed_dictionaries({purpose: st.fixed_dictionaries(dict.fromkeys(COUNTS, numbers)) for purpose in PURPOSES})
sites = st.dictionaries(st.sampled_from(["chu-01", "chu-02", "clinic-01"]), entry, max_size=3)
documents = st.lists(sites, max_size=4).map(
    lambda rounds: {"run": "r", "rounds": [{"round": n, "sites": found} for n, found in enumerate(rounds, 1)]}
)


@given(documents)
def test_the_parts_add_up_to_the_whole_by_round_by_site_and_by_purpose(document: dict[str, Any]) -> None:
    found = list(costs(document))
    total = sum(
        counts["rx_wire"] + counts["tx_wire"]
        for entry in document["rounds"]
        for purposes in entry["sites"].values()
        for counts in purposes.values()
    )
    assert wire(found) == total
    assert sum(wire(part) for part in grouped(found, lambda e: str(e.round)).values()) == total
    assert sum(wire(part) for part in grouped(found, lambda e: e.site).values()) == total
    assert sum(wire(found, purpose) for purpose in PURPOSES) == total
    assert payload(found) == sum(e.rx_payload + e.tx_payload for e in found)


def test_a_count_that_is_left_out_is_zero() -> None:
    (found,) = costs({"rounds": [{"round": 1, "sites": {"chu-01": {"model": {"rx_wire": 5}}}}]})
    assert (found.rx_wire, found.tx_wire, found.rx_payload, found.tx_payload) == (5, 0, 0, 0)
