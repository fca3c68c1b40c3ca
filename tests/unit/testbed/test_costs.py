from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from testbed.costs import COUNTS, PURPOSES, costs, grouped, lost_wire, overhead, payload, resent, wire

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


def test_the_overhead_says_how_much_of_it_crossed_the_interface_twice() -> None:
    counts = {"rx_wire": 1041, "rx_payload": 1000, "rx_retransmitted": 90, "tx_retransmitted": 7, "rx_repeated": 20}
    found = list(costs({"rounds": [{"round": 1, "sites": {"chu-01": {"model": counts}}}]}))
    assert overhead(found) == "4.1 %, of it 2.7 % retransmitted"
    assert resent(found) == 97


def test_what_was_not_measured_is_not_said() -> None:
    found = list(
        costs({"rounds": [{"round": 1, "sites": {"chu-01": {"model": {"rx_wire": 1041, "rx_payload": 1000}}}}]})
    )
    assert overhead(found) == "4.1 %"
    assert resent(found) is None
    assert overhead([]) == "-"


def test_lost_rounds_are_added_up() -> None:
    part = {"model": {"rx_wire": 5, "tx_wire": 1}, "control": {"rx_wire": 0, "tx_wire": 4}}
    assert lost_wire({"lost": [{"before_round": 2, "sites": {"a": part, "b": part}}]}) == 20
