"""The whole job on the shipped fifty hospitals: what `./dev demo` promises, checked by independent measures."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1500)]

_TOPOLOGY = Path(__file__).parents[2] / "topologies" / "50_sites.yaml"
# Rounds out of bounds end `train` with exit code 1; how busy the machine is, is not what is tested here.
_LENIENT = "fidelity: {rtt: 50ms, loss: 5%, router: 100%, waiting: 100%, host: 100%}\n"
_HUB = "10.0.0.2"
_PAYLOAD = 1448 / 1500  # of an IP packet
_PORT = "8002"


class Fifty:
    """`testbed …` on a home of its own, with the world `fifty` up."""

    def __init__(self, home: Path) -> None:
        self.env = {**os.environ, "TESTBED_HOME": str(home)}

    def __call__(self, *words: str, within_s: float = 300) -> str:
        argv = [sys.executable, "-m", "testbed", *words]
        ended = subprocess.run(
            argv, env=self.env, capture_output=True, text=True, timeout=within_s, check=False, stdin=subprocess.DEVNULL
        )
        assert ended.returncode == 0, f"{words}: exit {ended.returncode}\n{ended.stdout}\n{ended.stderr}"
        return ended.stdout

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self("status", "fifty", "--json"))
        return found


@pytest.fixture(scope="module")
def fifty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fifty]:
    folder = tmp_path_factory.mktemp("fifty")
    (folder / "50_sites.yaml").write_text(_TOPOLOGY.read_text() + _LENIENT)
    world = Fifty(folder / "home")
    world("up", str(folder / "50_sites.yaml"), "--name", "fifty", within_s=900)
    yield world
    world("down", "fifty")


@pytest.fixture(scope="module")
def sites(fifty: Fifty) -> dict[str, dict[str, Any]]:
    return {site["name"]: site for site in fifty.status()["sites"]}


def _on(sites: dict[str, dict[str, Any]], profile: str) -> dict[str, Any]:
    return next(site for site in sites.values() if site["link"]["profile"] == profile)


def test_every_one_of_fifty_pacs_answers_with_its_studies(sites: dict[str, dict[str, Any]]) -> None:
    assert len(sites) == 50
    assert all(site["pacs"]["answers"] for site in sites.values())
    assert sum(site["pacs"]["studies"] for site in sites.values()) >= 1500
    assert len({site["link"]["profile"] for site in sites.values()}) >= 5


@pytest.mark.parametrize("profile", ["chu-fibre", "old-vdsl", "4g"])
def test_ping_finds_the_round_trip_that_the_topology_asks_for(
    fifty: Fifty, sites: dict[str, dict[str, Any]], profile: str
) -> None:
    site = _on(sites, profile)
    hub = fifty.status()["hub"]["link"]
    ways = [site["link"]["down"], site["link"]["up"], hub["down"], hub["up"]]
    asked_ms = 1000 * sum(way["delay_s"] for way in ways)
    wander_ms = 1000 * sum(way["jitter_s"] for way in ways)
    # The mean of forty pings wanders with the jitter that was asked for: three standard errors of both ways' sum.
    bound_ms = max(1.0, 0.03 * asked_ms) + 3 * wander_ms / 40**0.5
    ping = ["ping", "-c", "40", "-i", "0.05", "-q", _HUB]
    errors_ms = []
    for _ in range(3):  # a host that is busy with other things can only make packets late
        found = re.search(r"= [\d.]+/([\d.]+)/", fifty("exec", "fifty", f"{site['name']}/worker", "--", *ping))
        assert found
        errors_ms.append(abs(float(found[1]) - asked_ms))
        if errors_ms[-1] <= bound_ms:
            break
    assert errors_ms[-1] <= bound_ms, errors_ms


@pytest.mark.parametrize("way", ["up", "down"])
@pytest.mark.parametrize("profile", ["regional-fibre", "old-vdsl", "4g"])
def test_iperf3_finds_the_rate_that_the_topology_asks_for(
    fifty: Fifty, sites: dict[str, dict[str, Any]], profile: str, way: str
) -> None:
    site = _on(sites, profile)
    asked = site["link"][way]["rate_bps"]
    # Eight flows: one alone is held back by the loss that these lines have, as it is in life.
    call = ["iperf3", "-c", _HUB, "-p", _PORT, "-J", "-P", "8", "-t", "5", "-O", "2"]
    rates = []
    for _ in range(5):  # a host that is busy with other things can only take from what the link carries
        fifty("exec", "fifty", "hub", "--", "iperf3", "-s", "-1", "-D", "-p", _PORT)
        until = time.monotonic() + 60
        while f":{_PORT} " not in fifty("exec", "fifty", "hub", "--", "ss", "-Hltn"):
            assert time.monotonic() < until
        more = ["-R"] if way == "down" else []
        printed = fifty("exec", "fifty", f"{site['name']}/worker", "--", *call, *more)
        rates.append(json.loads(printed)["end"]["sum_received"]["bits_per_second"] / _PAYLOAD)
        if rates[-1] == pytest.approx(asked, rel=0.05):
            return
    raise AssertionError(f"asked {asked}, found {rates}")


def test_fifty_sites_train_and_nobody_is_left_out(fifty: Fifty) -> None:
    run = json.loads(fifty("train", "fifty", "--rounds", "1", "--json", within_s=600))
    assert run["state"] == "done"
    assert len(run["rounds"][0]["participants"]) == 50
    assert run["rounds"][0]["missing"] == {}
    cost = json.loads(fifty("cost", run["run"], "--json"))
    moved = cost["rounds"][0]["sites"]
    assert len(moved) == 50
    for purposes in moved.values():
        assert purposes["update"]["tx_wire"] > purposes["update"]["tx_payload"] > 0
        assert purposes["model"]["rx_wire"] > purposes["model"]["rx_payload"] > 0
        assert purposes["pull"]["rx_wire"] > purposes["pull"]["rx_payload"] > 0


def test_the_world_stays_within_its_memory(fifty: Fifty) -> None:
    assert fifty.status()["memory_bytes"] < 3 * 2**30
