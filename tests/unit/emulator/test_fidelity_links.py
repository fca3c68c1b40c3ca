"""Judging one link: what was measured against what was asked."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.errors import Fell
from emulator.fidelity import chance, links, pings, rates
from emulator.fidelity.asked import Asked
from emulator.fidelity.links import Measured
from emulator.fidelity.load import Shares
from emulator.fidelity.pings import Pings
from emulator.fidelity.rates import Rate
from emulator.topology.resolved import Direction, Fidelity, FourState, GilbertElliott

BOUNDS = Fidelity()
VDSL = Asked("brest", None, "10.0.1.3", Direction(50_000_000, 0.0175), Direction(10_000_000, 0.0175))
AS_ASKED = Measured(Pings(40, (0.0352,) * 40), Pings(1000, (0.0352,) * 1000), Rate(49e6, 1), Rate(9.8e6, 1))


def test_a_link_as_asked_is_in_bounds() -> None:
    assert links.strays(VDSL, AS_ASKED, BOUNDS) == ()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"idle": Pings(40, (0.0372,) * 40)}, "round trip 37.20 ms, asked 35.00 ms ±1.05 ms"),
        ({"idle": Pings(40, ())}, "none of 40 pings came back"),
        ({"many": Pings(1000, (0.035,) * 960)}, "loss 2.40% to 6.59% there and back (40 of 1000), asked 0.00%"),
        ({"down": Rate(40e6, 1)}, "rate down 40 Mbit/s, asked 50 Mbit/s ±5%"),
        ({"up": Rate(11e6, 1)}, "rate up 11 Mbit/s, asked 10 Mbit/s ±5%"),
        ({"down": Rate(40e6, 1, router=0.97)}, "that is all that the router carries (it ran 97% of the time)"),
        ({"down": Rate(40e6, 1, waiting=0.4)}, "the router waited 40% of the time for a processor"),
    ],
)
def test_what_strays_is_said_with_its_figures(change: dict[str, Pings | Rate], said: str) -> None:
    (found,) = links.strays(VDSL, replace(AS_ASKED, **change), BOUNDS)  # type: ignore[arg-type]
    assert said in found


def test_a_few_late_packets_of_a_busy_host_do_not_move_the_round_trip() -> None:
    late = Pings(40, (0.0351,) * 36 + (0.090,) * 4)
    assert links.strays(VDSL, replace(AS_ASKED, idle=late), BOUNDS) == ()


def test_bounds_of_the_topology_count() -> None:
    measured = replace(AS_ASKED, down=Rate(40e6, 1), idle=Pings(40, (0.0372,) * 40))
    assert links.strays(VDSL, measured, Fidelity(rtt_s=0.003, rate=0.25)) == ()


def test_where_delays_wander_their_mean_is_judged_with_what_chance_explains() -> None:
    wandering = replace(VDSL, down=replace(VDSL.down, jitter_s=0.005))
    mean = Pings(40, (0.032,) * 20 + (0.042,) * 20)  # mean 37 ms, 5 ms / √40 a standard error
    assert not list(links.rtt_strays(wandering, mean, BOUNDS))
    assert list(links.rtt_strays(wandering, replace(mean, times_s=(0.037,) * 20 + (0.047,) * 20), BOUNDS))


def test_a_link_that_tcp_can_not_fill_is_not_called_too_slow_but_too_fast() -> None:
    lossy = replace(VDSL, down=Direction(1_000_000_000, 0.05, loss=0.05))
    assert lossy.flows(lossy.down) == 16
    assert not lossy.fillable(lossy.down)
    assert not list(links.rate_strays(lossy, "down", Rate(5e6, 16), BOUNDS))
    assert list(links.rate_strays(lossy, "down", Rate(1.2e9, 16), BOUNDS))


def test_losses_both_ways_and_spoilt_packets_are_asked_together() -> None:
    lossy = replace(VDSL, down=Direction(1, 0.0, loss=0.1), up=Direction(1, 0.0, loss=0.1, corrupt=0.5))
    assert lossy.loss == pytest.approx(1 - 0.9 * 0.9 * 0.5)


@given(st.integers(1, 5000), st.data())
def test_the_interval_of_a_share_holds_the_share_and_narrows_with_trials(trials: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, trials))
    low, high = chance.interval(hits, trials)
    assert 0 <= low <= hits / trials + 1e-12
    assert hits / trials - 1e-12 <= high <= 1
    assert chance.interval(4 * hits, 4 * trials)[1] - chance.interval(4 * hits, 4 * trials)[0] < high - low


@given(st.floats(0, 0.99), st.integers(1, 2000), st.data())
def test_losses_in_bursts_never_tell_more_than_independent_ones(alike: float, trials: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, trials))
    low, high = chance.interval(hits, trials)
    wide_low, wide_high = chance.interval(hits, trials, alike)
    assert wide_high - wide_low >= high - low - 1e-12


def test_a_long_burst_is_no_proof_against_a_bursty_link() -> None:
    bursty = Direction(1, 0.0, loss=0.01, bursts=GilbertElliott(0.001, 0.1))
    assert chance.strays(40, 1000, 0.01, 0.001)
    assert not chance.strays(40, 1000, 0.01, 0.001, chance.alike(bursty))
    assert chance.alike(Direction(1, 0.0, bursts=FourState(0.01, 0.2, 0.3, 0.4, 0.0))) == pytest.approx(0.79)


def test_pings_are_read_with_copies_counted_once() -> None:
    printed = """64 bytes from 10.0.0.2: icmp_seq=1 ttl=62 time=47.3 ms
64 bytes from 10.0.0.2: icmp_seq=1 ttl=62 time=47.4 ms (DUP!)
64 bytes from 10.0.0.2: icmp_seq=3 ttl=62 time=48.1 ms

3 packets transmitted, 2 received, +1 duplicates, 33% packet loss, time 2003ms
"""
    found = pings.read(printed)
    assert (found.sent, found.lost, found.times_s) == (3, 1, pytest.approx((0.0473, 0.0481)))
    assert found.p99_s == pytest.approx(0.0481)


@given(st.lists(st.integers(10_000, 2_000_000_000), min_size=1, max_size=60), st.integers(1_000_000, 10_000_000_000))
def test_every_site_is_measured_once_and_no_batch_asks_more_than_may_be_shared(
    fastest: list[int], shared_bps: int
) -> None:
    sites = [Asked(str(n), None, "", Direction(bps, 0.0), Direction(bps, 0.0)) for n, bps in enumerate(fastest)]
    found = rates.batches(sites, shared_bps)
    assert sorted(one.site for batch in found for one in batch) == sorted(one.site for one in sites)
    for batch in found:
        assert len(batch) == 1 or sum(one.down.rate_bps for one in batch) <= min(100_000_000, shared_bps / 2)
        assert len(batch) <= 4


def _iperf3(*bytes_each_tenth: int) -> dict[str, list[dict[str, dict[str, float]]]]:
    sums = [{"start": 0.1 * n + 1e-5, "seconds": 0.1, "bytes": count} for n, count in enumerate(bytes_each_tenth)]
    return {"intervals": [{"sum": one} for one in sums]}


def test_a_rate_is_what_was_received_after_slow_start() -> None:
    received = _iperf3(100, 4000, 10_000, 12_000)
    down = rates.read(json.dumps(received), "down", 1500 / 1448, 1, leave_out_s=0.2)
    assert down.bps == pytest.approx(8 * 110_000 * 1500 / 1448)
    up = {**_iperf3(9, 9, 99_000, 99_000), "server_output_json": received}  # who sent has counted what still waits
    assert rates.read(json.dumps(up), "up", 1500 / 1448, 1, leave_out_s=0.2) == down


@pytest.mark.parametrize("printed", ["", '{"error": "refused"}', json.dumps(_iperf3(1, 1)), json.dumps(_iperf3())])
def test_a_transfer_that_did_not_last_tells_no_rate(printed: str) -> None:
    with pytest.raises(Fell, match="iperf3 did not measure"):
        rates.read(printed, "down", 1.0, 1, leave_out_s=0.2)


def test_a_router_that_was_busy_for_all_of_a_transfer_is_at_its_limit_whatever_went_before() -> None:
    found = Rate(3e8, 1, seconds=1).under(Shares(1.25, ran=0.76))
    assert found.router == pytest.approx(0.95)
    assert links.at_its_limit(found)
    assert not links.at_its_limit(Rate(3e8, 1, seconds=1).under(Shares(1.25, ran=0.5)))
