"""The WAN kernel `plain`: rates by the host's token buckets, delays by Toxiproxy, for machines without netem."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from link_probes import PAYLOAD_SHARE, iperf3, payload_bps
from networks import HUB_LINK, LINKS, make_site, make_topology, quiet

from emulator.errors import CannotHere
from emulator.places import CONTROL_PORT, HUB_ADDRESS, MODEL_PORT, STUDY_PORT
from emulator.topology.resolved import Change, Opening
from emulator.toxics import PROGRAM
from emulator.wan.plain import without_netem
from emulator.worlds import World

pytestmark = pytest.mark.integration

_KINDS = ("4g", "adsl")


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    if shutil.which(PROGRAM) is None:
        pytest.skip(f"{PROGRAM} is not on this machine")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("TESTBED_HOME", str(tmp_path_factory.mktemp("home")))
        sites = [make_site(index, kind) for index, kind in enumerate(_KINDS, 1)]
        try:
            places = [place for site in sites for place in (f"{site.name}/worker", site.name)]
            ways = tuple(Opening(place, "hub", "tcp", STUDY_PORT) for place in places)  # as where the hub trains
            yield World.up(replace(make_topology("plain", sites), policy=ways), "plain", [], "plain", quiet)
        finally:
            World.down("plain")


@pytest.mark.parametrize("port", [CONTROL_PORT, STUDY_PORT])
@pytest.mark.parametrize("number", range(1, 3))
def test_a_request_to_the_hub_takes_the_round_trip_asked_for(plain: World, number: int, port: int) -> None:
    serve = [sys.executable, "-m", "http.server", str(port), "--bind", HUB_ADDRESS, "-d", "/usr/share/doc"]
    server = plain.run("hub", serve, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        link = LINKS[_KINDS[number - 1]]
        asked_s = link.down.delay_s + link.up.delay_s + HUB_LINK.down.delay_s + HUB_LINK.up.delay_s
        took_s: list[float] = []
        for _ in range(80):  # a host that is busy with other things can only make packets late
            took_s.append(_asking_s(plain, f"{_KINDS[number - 1]}-{number:02d}/worker", port))
            if len(took_s) >= 8 and min(took_s) <= asked_s + 0.015:
                break
        assert asked_s <= min(took_s) <= asked_s + 0.015  # a proxy takes a millisecond or two of its own, each way
    finally:
        server.signal(signal.SIGTERM)
        server.wait()


def _asking_s(plain: World, place: str, port: int) -> float:
    form = "%{time_connect} %{time_starttransfer}"
    url = f"http://{HUB_ADDRESS}:{port}/"
    for _ in range(50):
        code, printed = plain.output(place, ["curl", "-s", "-o", os.devnull, "-w", form, url])
        if code == 0:
            connected, answered = map(float, printed.split())
            return answered - connected
        time.sleep(0.1)
    raise AssertionError("the hub does not answer")


def test_the_rate_is_the_one_asked_for(plain: World) -> None:
    asked, rates = LINKS["4g"].down.rate_bps, []
    for _ in range(5):  # a host that is busy with other things can only take from what the link carries
        rates.append(payload_bps(iperf3(plain, "4g-01", MODEL_PORT, 4, "-O", "1", "-R")) / PAYLOAD_SHARE)
        if rates[-1] == pytest.approx(asked, rel=0.05):
            break
    assert rates[-1] == pytest.approx(asked, rel=0.05), rates


def test_what_it_cannot_change_is_refused(plain: World) -> None:
    with pytest.raises(CannotHere, match="only the rate"):
        plain.change_link("4g-01", Change(delay_s=0.5), Change())
    assert plain.change_link("4g-01", Change(rate_bps=9_000_000), Change()).down.rate_bps == 9_000_000
    assert plain.reset_link("4g-01").down.rate_bps == LINKS["4g"].down.rate_bps


def test_without_netem_the_queue_lies_right_in_its_class() -> None:
    netem = "qdisc replace dev x parent 1:1001 handle 1001: netem limit 9\n"
    queue = "qdisc replace dev x parent 1001:1 handle 5001: bfifo limit 9\n"
    assert without_netem(netem + queue) == "qdisc replace dev x parent 1:1001 handle 5001: bfifo limit 9\n"
