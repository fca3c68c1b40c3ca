"""A site may reach its PACS and its hub, and nothing else."""

import json
import re
import subprocess
import time

import pytest

from emulator.places import CONTROL_PORT, HUB_ADDRESS, gateway_address, pacs_address, worker_address
from emulator.worlds import World

pytestmark = pytest.mark.integration

ONE = "regional-01/worker"


def _reaches(world: World, place: str, host: str, *more: str) -> bool:
    return world.output(place, ["ping", "-c", "1", "-W", "1", *more, host])[0] == 0


def _refused(world: World) -> int:
    printed = world.output("wan", ["nft", "-j", "list", "counter", "netdev", "access", "refused"])[1]
    return int(json.loads(printed)["nftables"][-1]["counter"]["packets"])


def test_a_worker_reaches_its_hub_and_its_pacs(network: World) -> None:
    assert _reaches(network, ONE, HUB_ADDRESS)
    assert _reaches(network, ONE, pacs_address(1))


@pytest.mark.parametrize("target", [pacs_address(2), worker_address(2), "100.64.0.1", "100.64.0.2", "100.65.0.2"])
def test_a_worker_reaches_nothing_else(network: World, target: str) -> None:
    before = _refused(network)
    assert not _reaches(network, ONE, target)
    assert _refused(network) > before


def test_a_pacs_reaches_nobody_across_the_wan(network: World) -> None:
    assert not _reaches(network, "regional-01/pacs", HUB_ADDRESS)


@pytest.mark.parametrize("address", [worker_address(2), gateway_address(2)])
def test_a_forged_source_is_refused(network: World, address: str) -> None:
    added = network.output(ONE, ["ip", "address", "add", f"{address}/32", "dev", "lo"])
    assert added[0] == 0
    before = _refused(network)
    try:
        assert not _reaches(network, ONE, HUB_ADDRESS, "-I", address)
    finally:
        network.output(ONE, ["ip", "address", "delete", f"{address}/32", "dev", "lo"])
    assert _refused(network) > before


@pytest.mark.parametrize("port", [22, CONTROL_PORT + 3, 5201])
def test_the_hub_answers_on_its_own_ports_only(network: World, port: int) -> None:
    server = network.run("hub", ["iperf3", "-s", "-1", "-p", str(port)], stdout=subprocess.DEVNULL)
    try:
        time.sleep(0.2)
        code, _ = network.output(ONE, ["timeout", "1", "bash", "-c", f"exec 3<>/dev/tcp/{HUB_ADDRESS}/{port}"])
        assert code != 0
    finally:
        server.signal(subprocess.signal.SIGKILL)  # type: ignore[attr-defined]
        server.wait()


def test_the_hub_can_call_no_worker(network: World) -> None:
    code, _ = network.output("hub", ["timeout", "1", "bash", "-c", f"exec 3<>/dev/tcp/{worker_address(1)}/22"])
    assert code == 124
    assert _reaches(network, "hub", worker_address(1))


def test_the_world_has_no_way_to_the_host(network: World) -> None:
    for place in ("wan", "hub", "regional-01", ONE, "regional-01/pacs"):
        links = json.loads(network.output(place, ["ip", "-j", "link"])[1])
        names = [link["ifname"] for link in links]
        assert all(re.fullmatch(r"lo|wan|lan|eth0|r0|uml|u\d+|pacs|worker", name) for name in names), names
        # eth0 is a common name on hosts too: here it is the LAN's own cable, told by its address.
        assert all(link["address"].startswith("02:03:") for link in links if link["ifname"] == "eth0")
    assert network.output("wan", ["ip", "route", "get", "192.0.2.1"])[0] != 0


def test_names_are_the_worlds_own_and_nobody_waits_for_a_name_server(network: World) -> None:
    assert network.output(ONE, ["getent", "hosts", "hub"])[1].split()[0] == HUB_ADDRESS
    assert network.output("hub", ["getent", "hosts", "pacs.vdsl-02"])[1].split()[0] == pacs_address(2)
    began = time.monotonic()
    assert network.output(ONE, ["getent", "hosts", "nobody.invalid"])[0] != 0
    assert time.monotonic() - began < 4.0  # who asks a name server that is not there waits for 5 s and more
