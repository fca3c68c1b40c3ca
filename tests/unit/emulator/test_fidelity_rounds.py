"""Judging one round: what was read in it against the topology's bounds."""

from dataclasses import replace

import pytest

from emulator.drops import Queue, Queues
from emulator.fidelity import load, queues
from emulator.fidelity.asked import Asked
from emulator.fidelity.findings import verdict
from emulator.fidelity.load import Load, Shares
from emulator.fidelity.queues import Flow
from emulator.fidelity.rounds import Round, judged
from emulator.topology.resolved import Direction, Fidelity

ADSL = Asked("brest", None, "10.0.1.3", Direction(8_000_000, 0.0225), Direction(1_000_000, 0.0225))
ASKED = {"brest": ADSL}
QUIET = Shares(10.0, ran=0.1, waited=0.02, own_waited=0.03, idle=0.6)
FLOWS = {("brest", "down"): Flow(5000, 0, 0, 7_000_000), ("brest", "up"): Flow(5000, 0, 12, 7_000_000)}
GOOD = Round({"brest": 0.0452}, [QUIET], [QUIET], FLOWS, 0)  # type: ignore[arg-type]  # keys are literals


def reasons(read: Round, bounds: Fidelity | None = None) -> set[str]:
    return {finding.reason for finding in judged(read, ASKED, bounds or Fidelity()) if finding.exceeded}


def test_a_quiet_round_is_ok_and_its_figures_are_kept() -> None:
    found = judged(GOOD, ASKED, Fidelity())
    assert verdict(found) == "ok"
    assert {one.reason for one in found} == {"rtt", "loss", "overflow", "missed", "router", "waiting", "host"}
    assert next(one.figure for one in found if one.reason == "rtt") == 0.0452


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"least_rtt_s": {"brest": 0.0475}}, "rtt"),
        ({"least_rtt_s": {"brest": 0.0425}}, "rtt"),
        ({"flows": {("brest", "up"): Flow(5000, 60, 0, 7_000_000)}}, "loss"),
        ({"flows": {("brest", "up"): Flow(5, 0, 3, 400)}}, "overflow"),
        ({"missed": 100}, "missed"),
        ({"windows": [QUIET, Shares(0.5, ran=0.99)]}, "router"),
        ({"transfers": [replace(QUIET, waited=0.5)]}, "waiting"),
        ({"transfers": [replace(QUIET, waited=0.1, turns=20.0)]}, "waiting"),
        ({"transfers": [replace(QUIET, own_waited=0.7)]}, "host"),
    ],
)
def test_each_disturbance_marks_the_round_by_its_name(change: dict[str, object], reason: str) -> None:
    assert reasons(replace(GOOD, **change)) == {reason}  # type: ignore[arg-type]  # a table of different fields


def test_losses_that_were_asked_for_mark_nothing_and_their_absence_does() -> None:
    lossy = {"brest": replace(ADSL, up=replace(ADSL.up, loss=0.01))}
    lost = replace(GOOD, flows={("brest", "up"): Flow(4950, 50, 0, 7_000_000)})
    assert verdict(judged(lost, lossy, Fidelity())) == "ok"
    assert verdict(judged(GOOD, lossy, Fidelity())) == "exceeded"


def test_fifty_good_sites_together_look_bad_no_oftener_than_one() -> None:
    lossy = replace(ADSL, down=replace(ADSL.down, loss=0.01), up=replace(ADSL.up, loss=0.01))
    flow = Flow(4970, 80, 0, 7_000_000)  # 80 of 5,050 where 50 are asked: four deviations beyond
    one = replace(GOOD, flows={("brest", "up"): flow})
    many = replace(GOOD, flows={(f"site-{n}", "up"): flow for n in range(100)})
    assert "loss" in {f.reason for f in judged(one, {"brest": lossy}, Fidelity(loss=0.0)) if f.exceeded}
    asked = {f"site-{n}": lossy for n in range(100)} | {"brest": lossy}
    assert "loss" not in {f.reason for f in judged(many, asked, Fidelity(loss=0.0)) if f.exceeded}


def test_a_site_that_does_not_answer_is_not_judged_by_its_round_trip() -> None:
    assert reasons(replace(GOOD, least_rtt_s={})) == set()


def test_bounds_of_the_topology_count() -> None:
    waited = replace(GOOD, transfers=[replace(QUIET, waited=0.5)])
    assert reasons(waited, Fidelity(waiting=0.6)) == set()


def test_netems_own_losses_are_told_from_full_queues() -> None:
    read = {"brest": Queues(tx=Queue(line_drops=12, queue_drops=7, bytes=9000, packets=95))}
    assert queues.flows(read)["brest", "up"] == Flow(95, 5, 7, 9000)
    assert queues.flows(read)["brest", "down"] == Flow(0, 0, 0, 0)


def test_counters_that_begin_anew_are_left_out() -> None:
    before, after = {("brest", "up"): Flow(9, 9, 9, 9)}, {("brest", "up"): Flow(1, 0, 0, 1)}
    assert queues.changes(before, after) == {}  # type: ignore[arg-type]  # keys are literals


def test_only_what_the_listening_socket_missed_counts() -> None:
    printed = """p_raw 0 0 *:uml * skmem:(r0,rb212992,t0,tb212992,f0,w0,o0,bl0,d41)
p_raw 9 0 [2048]:uml * skmem:(r16828,rb212992,t0,tb212992,f0,w0,o0,bl0,d7326)
"""
    assert queues.missed(printed) == 41


def test_shares_are_what_went_on_between_two_readings() -> None:
    texts = {
        "/proc/stat": ["cpu 0 0 0 100 0 0 0 0 0 0\n", "cpu 50 0 50 200 0 0 0 0 0 0\n"],
        "/proc/9/schedstat": ["0 0 1", "500000000 250000000 2"],
        "/proc/self/schedstat": ["0 0 1", "0 100000000 1"],
    }
    meter = Load(9, lambda path: texts[path].pop(0))
    first, second = meter.now(), meter.now()
    shares = load.between(replace(first, at=10.0), replace(second, at=11.0))
    assert shares == Shares(1.0, ran=0.5, waited=0.25, own_waited=0.1, idle=0.5, turns=1.0)
    assert load.together([shares, replace(shares, seconds=3.0, ran=0.1)]).ran == pytest.approx(0.2)
