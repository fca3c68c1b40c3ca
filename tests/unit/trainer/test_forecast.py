"""The pre-flight's arithmetic, by hand."""

from dataclasses import replace

import pytest

from emulator.topology import Cohort, Compute, Direction, Hub, Link, Pacs, Site, Topology, Training
from trainer.forecast import Forecast, Pull, Sizes, slow_start_s, transfer

ADSL = Link("adsl", Direction(8_000_000, 0.02), Direction(1_000_000, 0.02))
HUB = Hub(Link("datacentre", Direction(10**9, 0.005), Direction(10**9, 0.005)))
RTT_S = 0.05
SIZES = Sizes(200_000, 200_050)


def site(index: int, link: Link = ADSL) -> Site:
    cohort = Cohort("phantom", 12, {"control": 4, "mci": 4, "ad": 4}, "3T", ("mr",), "multi-frame")
    return Site(index, f"s{index}", "s", "namespace", link, Pacs("p", "orthanc"), cohort, Compute(0.1))


def forecast(*sites: Site, sizes: Sizes = SIZES, hub: Hub = HUB) -> Forecast:
    training = Training("dementia", "fedavg", 3, 2, 4, 0.05, 0.25, True)
    topology = Topology("t", 7, hub, sites, training)
    return Forecast(topology, sizes, {s.name: Pull(9_000_000, 12, 2.0) for s in sites})


def test_a_message_is_its_body_its_head_and_a_header_a_packet_and_every_second_packet_is_acknowledged() -> None:
    went, came = transfer(200_000, "request", 1500)
    packets = 139  # (200,000 + 190) / 1,448
    assert went == 200_190 + packets * 52
    assert came == 70 * 52


def test_a_new_connection_idles_until_its_window_fills_the_line() -> None:
    # 10, 20, 40 packets in the first three round trips of 100 ms, on a line that carries 83 in one.
    sent_s = [n * 1500 * 8 / 10_000_000 for n in (10, 20, 40, 80)]
    assert slow_start_s(10**7, 10_000_000, 0.1, 1500) == pytest.approx(sum(0.1 - s for s in sent_s))
    assert slow_start_s(10**7, 100_000, 0.1, 1500) == 0.0
    assert slow_start_s(8 * 15_000, 10_000_000, 0.1, 1500) == 0.0  # all of it fits into the first window


def test_a_later_round_is_training_update_model_and_scores_on_one_line_at_rest() -> None:
    planned = forecast(site(1)).round(2)
    seconds = planned.sites["s1"].seconds
    assert seconds["train"] == pytest.approx(2 * 9 * 0.1)  # epochs × studies to train on × seconds a sample
    assert seconds["eval"] == pytest.approx(3 / 3 * 0.1)
    assert seconds["update"] == pytest.approx(8 * transfer(200_050, "request", 1500)[0] / 1_000_000 + RTT_S)
    assert seconds["model"] == pytest.approx(8 * transfer(200_000, "answer", 1500)[0] / 8_000_000 + RTT_S)
    assert seconds["order"] == pytest.approx(2 * RTT_S / 2)
    assert seconds["pull"] == 0.0
    assert planned.seconds == pytest.approx(sum(seconds.values()))
    assert planned.sites["s1"].wire["pull"].rx == 0


def test_the_first_round_also_fetches_the_first_model_and_pulls_the_studies() -> None:
    first, later = (forecast(site(1)).round(number).sites["s1"] for number in (1, 2))
    assert first.wire["model"].rx == pytest.approx(2 * later.wire["model"].rx, rel=0.001)
    assert 9_000_000 < first.wire["pull"].rx < 9_100_000
    assert first.seconds["pull"] == 2.0
    assert first.seconds["model"] > 2 * later.seconds["model"] + RTT_S


def test_sites_contend_for_the_hubs_link_and_the_round_waits_for_the_last() -> None:
    narrow = Hub(Link("office", Direction(2_000_000, 0.005), Direction(2_000_000, 0.005)))
    alone = forecast(site(1), hub=narrow).round(2)
    four = forecast(*(site(n) for n in range(1, 5)), hub=narrow).round(2)
    model = 8 * transfer(200_000, "answer", 1500)[0]
    assert alone.sites["s1"].seconds["model"] == pytest.approx(model / 2_000_000 + RTT_S)
    assert four.sites["s1"].seconds["model"] == pytest.approx(4 * model / 2_000_000 + RTT_S)
    assert four.sites["s1"].seconds["update"] > 1.9 * alone.sites["s1"].seconds["update"]
    slow = replace(site(2), compute=Compute(1.0))
    assert forecast(site(1), slow).round(2).last_update == "s2"


def test_a_line_that_loses_packets_carries_them_again() -> None:
    lossy = replace(ADSL, up=replace(ADSL.up, loss=0.1))
    plain, again = (forecast(site(1, link)).round(2).sites["s1"].wire for link in (ADSL, lossy))
    assert again["update"].tx == pytest.approx(plain["update"].tx / 0.9, rel=1e-4)
    assert again["model"] == plain["model"]  # what is lost on the way down never reaches the site


def test_where_models_stay_at_home_nothing_of_them_crosses() -> None:
    planned = forecast(site(1), sizes=Sizes(0, 0)).round(1)
    assert {"model", "update"}.isdisjoint(planned.sites["s1"].seconds)
    assert planned.sites["s1"].wire["model"] == planned.sites["s1"].wire["update"]
