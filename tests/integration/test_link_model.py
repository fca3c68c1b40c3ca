"""What a link is told to do to packets, it does: counted, timed and filled by programs that know nothing of it."""

import math
import os
import random
import statistics
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from link_probes import PAYLOAD_SHARE, Arrivals, iperf3, numbered, payload_bps, round_trips_s
from networks import quiet

from emulator.places import HUB_ADDRESS, gateway_address
from emulator.topology import Known, Topology, load
from emulator.worlds import World

pytestmark = pytest.mark.integration

KNOWN = Known(frozenset({"orthanc"}), frozenset({"3T"}), frozenset({"dementia"}), frozenset({"fedavg"}))
TOPOLOGY = """
name: model
hub: {link: centre}
links:
  centre: {rate: 60mbit, rtt: 0ms}
  plain: {rate: 40mbit, rtt: 10ms}
  share: {down: {rate: 60mbit, loss: 5%}, up: 60mbit, rtt: 10ms}
  bursts: {down: {rate: 60mbit, loss: {mean: 10%, burst: 5}}, up: 60mbit, rtt: 10ms}
  states: {down: {rate: 60mbit, loss: {p13: 2%, p31: 20%, p32: 30%, p23: 40%, p14: 1%}}, up: 60mbit, rtt: 10ms}
  uniform: {down: {rate: 60mbit, jitter: 12ms, distribution: uniform}, up: 60mbit, rtt: 160ms}
  normal: {down: {rate: 60mbit, jitter: 12ms, distribution: normal}, up: 60mbit, rtt: 160ms}
  pareto: {down: {rate: 60mbit, jitter: 12ms, distribution: pareto}, up: 60mbit, rtt: 160ms}
  pinged: {rate: 60mbit, pings: pings.txt}
  reordered: {down: {rate: 60mbit, reorder: 5%}, up: 60mbit, rtt: 20ms}
  doubled: {down: {rate: 60mbit, duplicate: 5%}, up: 60mbit, rtt: 10ms}
  damaged: {down: {rate: 60mbit, corrupt: 5%}, up: 60mbit, rtt: 10ms}
  fifo: {rate: 10mbit, rtt: 10ms, queue: {length: 200ms}}
  codel: {rate: 10mbit, rtt: 10ms, queue: {length: 200ms, discipline: codel}}
  fq-codel: {rate: 10mbit, rtt: 10ms, queue: {length: 200ms, discipline: fq_codel}}
  cake: {rate: 10mbit, rtt: 10ms, queue: {length: 200ms, discipline: cake}}
  narrow: {rate: 20mbit, rtt: 10ms, mtu: 1400}
  uplink: {rate: 20mbit, rtt: 0ms}
regions: {alps: {link: uplink}}
sites:
  - {name: share, link: share}
  - {name: bursts, link: bursts}
  - {name: states, link: states}
  - {name: uniform, link: uniform}
  - {name: normal, link: normal}
  - {name: pareto, link: pareto}
  - {name: pinged, link: pinged}
  - {name: reordered, link: reordered}
  - {name: doubled, link: doubled}
  - {name: damaged, link: damaged}
  - {name: fifo, link: fifo}
  - {name: codel, link: codel}
  - {name: fq-codel, link: fq-codel}
  - {name: cake, link: cake}
  - {name: narrow, link: narrow}
  - {name: plain, link: plain}
  - {name: plain-too, link: plain}
  - {name: alpine, link: plain, region: alps}
  - {name: alpine-too, link: plain, region: alps}
"""
PORTS = (8000, 8001, 8002)
DEVIATIONS = 5.0
"""How far anything may lie from what was asked, in standard errors: one honest run in 1.7 million lies further."""
DELAYS = 500
DELAY_MS, JITTER_MS = 80.0, 12.0
KURTOSIS = {"uniform": 1.8, "normal": 3.0, "pareto": 11.4}
"""Of netem's tables, our own and iproute2's."""
REACH = 5
"""Jitters from its mean to which the longest table reaches: what came later than that, the machine kept."""
TRIES = 5
"""How often a rate is measured before it counts as wrong: a host that is busy with other things can only take."""


def _pings() -> list[float]:
    """Measured round-trip times, in ms: most are fast, some slow, none between."""
    draw = random.Random(7)  # noqa: S311 - the same file each time
    return [round(draw.uniform(30, 36) if draw.random() < 0.7 else draw.uniform(42, 48), 2) for _ in range(1000)]


def _load(folder: Path, text: str) -> Topology:
    (folder / "pings.txt").write_text("\n".join(map(str, _pings())))
    (folder / "model.yaml").write_text(text)
    return load(folder / "model.yaml", KNOWN)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home for this module's worlds."""
    before, folder = os.environ.get("TESTBED_HOME"), tmp_path_factory.mktemp("home")
    os.environ["TESTBED_HOME"] = str(folder)
    yield folder
    if before is None:
        del os.environ["TESTBED_HOME"]
    else:
        os.environ["TESTBED_HOME"] = before


@pytest.fixture(scope="module")
def model(folder: Path) -> Iterator[World]:
    """A world in which each site's link does one thing."""
    try:
        yield World.up(_load(folder, TOPOLOGY), "model", [], None, quiet)
    finally:
        World.down("model")


@pytest.fixture(scope="module")
def slowly(model: World) -> dict[str, list[float]]:
    """One-way delays of packets too far apart to hold each other up; of `pinged` and `plain` round-trip times; all in
    seconds. `plain` tells what the machine itself adds meanwhile.
    """

    def measure(site: str) -> list[float]:
        if site in ("pinged", "plain"):
            return round_trips_s(model, site, 800, 0.025)
        return numbered(model, site, DELAYS, 40_000).delays_s

    sites = ["uniform", "normal", "pareto", "pinged", "plain"]
    with ThreadPoolExecutor(len(sites)) as hands:
        return dict(zip(sites, hands.map(measure, sites), strict=True))


def _is_share(found: int, of: int, share: float, correlated: float = 1.0) -> bool:
    """`correlated`: by how much the variance is above the binomial's."""
    return abs(found - of * share) <= DEVIATIONS * math.sqrt(of * share * (1 - share) * correlated)


def test_a_loss_takes_its_share_one_by_one(model: World) -> None:
    arrivals = numbered(model, "share", 10_000, 200)
    assert _is_share(arrivals.lost, 10_000, 0.05)
    assert statistics.fmean(arrivals.bursts) == pytest.approx(1 / 0.95, rel=0.1)


def test_bursts_take_their_share_and_are_as_long_as_asked(model: World) -> None:
    arrivals = numbered(model, "bursts", 30_000, 150)
    memory = 1 - 1 / 5 - 0.1 / 0.9 / 5  # what is left of a state after one packet
    assert _is_share(arrivals.lost, 30_000, 0.1, (1 + memory) / (1 - memory))
    assert statistics.fmean(arrivals.bursts) == pytest.approx(5, rel=0.2)  # of 600 bursts: 5.5 standard errors


def test_four_states_take_the_share_that_their_probabilities_give(model: World) -> None:
    arrivals = numbered(model, "states", 40_000, 150)
    asked = next(site.link.down.loss for site in model.topology.sites if site.name == "states")
    # A walk through the states strays by 3.9 %, its bursts of 1.84 by 0.03; losses one by one would make 1.1 of them.
    assert arrivals.lost / 40_000 == pytest.approx(asked, rel=DEVIATIONS * 0.039)
    assert statistics.fmean(arrivals.bursts) == pytest.approx(1.84, abs=0.25)


@pytest.fixture(params=list(KURTOSIS))
def jitters(request: pytest.FixtureRequest, slowly: dict[str, list[float]]) -> tuple[str, list[float]]:
    """A distribution, and the delays that it gave, in jitters from the delay that was asked for."""
    off = [(1000 * delay - DELAY_MS) / JITTER_MS for delay in slowly[request.param]]
    return request.param, [min(one, REACH) for one in off]


def _added_ms(slowly: dict[str, list[float]]) -> float:
    """What the machine itself adds to a round trip."""
    return 1000 * statistics.median(slowly["plain"]) - 10


def test_jitter_is_the_standard_deviation_of_the_delay(
    slowly: dict[str, list[float]], jitters: tuple[str, list[float]]
) -> None:
    distribution, off = jitters
    # Without its table, netem's uniform delays have 0.58 of it; that of pareto (0.82) is told by its earliest packet.
    error = math.sqrt((KURTOSIS[distribution] - 1) / 4 / DELAYS)
    assert statistics.stdev(off) == pytest.approx(1, abs=DEVIATIONS * error)
    added = _added_ms(slowly) / 2 / JITTER_MS
    assert statistics.fmean(off) == pytest.approx(added, abs=0.25)  # a standard error is 0.045, of pareto 0.051


def test_each_distribution_of_jitter_begins_and_ends_where_its_table_does(jitters: tuple[str, list[float]]) -> None:
    """Told by packets that come early, which no machine can make, and where there must be, by those that come late.

    Of 500 packets, 21 of a normal distribution come before the first of a uniform one, and none of pareto's comes
    before 0.81 jitters (its table's -0.667 by its deviation of 0.820; -0.667 where that is forgotten).
    """
    distribution, off = jitters
    earliest, late = min(off), sum(one > 1.9 for one in off)
    if distribution == "uniform":
        assert -math.sqrt(3) - 0.01 <= earliest < -1.5  # 33 packets come before that
        assert late < 0.02 * DELAYS  # none, but for those that the machine keeps
    elif distribution == "normal":
        assert earliest < -1.85  # 16 packets come before that
    else:
        assert -0.82 <= earliest < -0.7  # 96 packets come before that
        assert late >= 5  # of 26


def test_round_trips_are_distributed_as_the_pings_that_were_measured(slowly: dict[str, list[float]]) -> None:
    added_ms = _added_ms(slowly)
    asked, found = sorted(_pings()), sorted(1000 * time - added_ms for time in slowly["pinged"])
    furthest = max(abs(i / len(found) - bisect_right(asked, time) / len(asked)) for i, time in enumerate(found))
    # Of Kolmogorov and Smirnov: chance alone gives 0.08 once in 18,000; a normal distribution of the same mean and
    # deviation is off by 0.24.
    assert furthest < 0.13


def test_packets_keep_their_order_however_their_delays_wander(model: World) -> None:
    arrivals = numbered(model, "normal", 3000, 300)
    assert arrivals.overtaken == 0
    assert arrivals.lost == 0


def test_reorder_lets_its_share_overtake_the_others(model: World) -> None:
    assert _is_share(_overtaking(numbered(model, "reordered", 5000, 400)), 5000, 0.05)


def _overtaking(arrivals: Arrivals) -> int:
    """Packets that came long before their time; the delay is 10 ms."""
    return sum(delay < 0.006 for delay in arrivals.delays_s)


def test_duplicates_come_at_their_share(model: World) -> None:
    arrivals = numbered(model, "doubled", 5000, 400)
    assert _is_share(arrivals.doubled, 5000, 0.05)
    assert arrivals.lost == 0


def test_damage_comes_at_its_share(model: World) -> None:
    arrivals = numbered(model, "damaged", 5000, 400, size=1000)
    assert _is_share(arrivals.lost, 5000, 0.05)  # not whole: its checksum is wrong, or a header is, and it is dropped
    assert arrivals.damaged > 0.9 * arrivals.lost


def _loaded_s(model: World, site: str, port: int) -> list[float]:
    """Round-trip times while an upload by Cubic, which fills queues, goes on; its first two seconds left out."""
    with ThreadPoolExecutor(1) as hand:
        upload = hand.submit(iperf3, model, site, port, 6, "-C", "cubic")
        times_s = round_trips_s(model, site, 110, 0.05)
        upload.result()
    return times_s[40:]


@pytest.fixture(scope="module")
def loaded(model: World) -> dict[str, list[float]]:
    """Round-trip times (s) of sites whose uplink is full, by discipline."""
    sites = ["fifo", "codel", "fq-codel", "cake"]
    with ThreadPoolExecutor(2) as hands:
        return dict(zip(sites, hands.map(_loaded_s, [model] * 4, sites, [*PORTS, PORTS[0]]), strict=True))


def test_a_full_fifo_makes_packets_wait_as_long_as_it_is(loaded: dict[str, list[float]]) -> None:
    assert 0.1 <= statistics.median(loaded["fifo"]) <= 0.23  # congestion control empties a part of it at each loss


@pytest.mark.parametrize("discipline", ["codel", "fq-codel", "cake"])
def test_an_active_queue_stays_near_its_target(loaded: dict[str, list[float]], discipline: str) -> None:
    assert 0.01 <= statistics.median(loaded[discipline]) <= 0.04


def _of(model: World, site: str) -> str:
    return gateway_address(next(one.index for one in model.topology.sites if one.name == site))


@pytest.mark.parametrize("down", [True, False])
def test_a_packet_above_the_mtu_is_refused_and_its_sender_told(model: World, down: bool) -> None:
    place, target = ("hub", _of(model, "narrow")) if down else ("narrow/worker", HUB_ADDRESS)
    fits = ["ping", "-n", "-c", "1", "-W", "2", "-M", "do", "-s"]
    assert model.output(place, [*fits, "1372", target])[0] == 0
    code, told = model.output(place, [*fits, "1473", target])
    assert code != 0
    code, told = model.output(place, [*fits, "1373", target])
    assert code != 0
    assert "1400" in told


@pytest.mark.parametrize("more", [(), ("-R",)], ids=["up", "down"])
def test_tcp_gets_through_a_small_mtu(model: World, more: tuple[str, ...]) -> None:
    def asked(rates: list[float]) -> bool:
        return rates[0] * PAYLOAD_SHARE > 0.8 * 20e6 * 1348 / 1400

    rates = _together(model, ["narrow"], asked, *more)
    assert asked(rates), rates


def _together(world: World, sites: list[str], asked: Callable[[list[float]], bool], *more: str) -> list[float]:
    """What sites upload at once (`-R`: download), in bit/s of full packets; the first of a few that is as asked."""
    rates: list[float] = []
    for _ in range(TRIES):
        with ThreadPoolExecutor(len(sites)) as hands:
            told = hands.map(lambda pair: iperf3(world, *pair, 4, "-O", "1", *more), zip(sites, PORTS, strict=False))
            rates = [payload_bps(one) / PAYLOAD_SHARE for one in told]
        if asked(rates):
            break
    return rates


def test_sites_of_a_region_share_its_uplink_and_others_do_not(model: World) -> None:
    def asked(rates: list[float]) -> bool:
        return sum(rates[:2]) == pytest.approx(20e6, rel=0.05) and rates[2] == pytest.approx(40e6, rel=0.05)

    rates = _together(model, ["alpine", "alpine-too", "plain"], asked)
    assert asked(rates), rates


def test_all_share_the_link_of_the_hub(model: World) -> None:
    def asked(rates: list[float]) -> bool:
        return sum(rates) == pytest.approx(60e6, rel=0.05) and min(rates) == pytest.approx(30e6, rel=0.25)

    rates = _together(model, ["plain", "plain-too"], asked)
    assert asked(rates), rates


CHANGING = """
name: changing
hub: {{link: line}}
links:
  line: {{rate: 60mbit, rtt: 0ms}}
  site: {{rate: 40mbit, rtt: {rtt}}}
  uplink: {{rate: 20mbit, rtt: 10ms}}
regions: {regions}
sites:
  - {{name: one, link: site{region}}}
  - {{name: two, link: site{region}}}
"""


@pytest.fixture
def changing(folder: Path) -> Iterator[World]:
    first = _load(folder, CHANGING.format(rtt="20ms", regions="{}", region=""))
    try:
        yield World.up(first, "changing", [], None, quiet)
    finally:
        World.down("changing")


def _change(folder: Path, **values: str) -> World:
    return World.up(_load(folder, CHANGING.format(**values)), "changing", [], None, quiet)


def test_values_change_in_place_and_nothing_on_its_way_is_lost(changing: World, folder: Path) -> None:
    with ThreadPoolExecutor(1) as hand:
        arriving = hand.submit(numbered, changing, "one", 7000, 1000)
        while "numbered_packets" not in changing.output("hub", ["ps", "-ewwo", "args"])[1]:
            assert not arriving.done()
        time.sleep(0.5)  # some must arrive as it was before
        _change(folder, rtt="60ms", regions="{}", region="")
        arrivals = arriving.result()
    assert arrivals.lost == 0
    assert statistics.median(arrivals.delays_s[:200]) == pytest.approx(0.010, abs=0.004)
    assert statistics.median(arrivals.delays_s[-200:]) == pytest.approx(0.030, abs=0.004)


def test_a_region_that_is_added_is_shared_from_then_on(changing: World, folder: Path) -> None:
    changed = _change(folder, rtt="20ms", regions="{alps: {link: uplink}}", region=", region: alps")
    assert statistics.median(round_trips_s(changed, "one", 40, 0.02)) == pytest.approx(0.030, abs=0.004)

    def asked(rates: list[float]) -> bool:
        return sum(rates) == pytest.approx(20e6, rel=0.05)

    rates = _together(changed, ["one", "two"], asked)
    assert asked(rates), rates
