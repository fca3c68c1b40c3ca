"""Gateways in a real world: `status` asks through them, workers call them as endpoints say, and they end with it."""

import json
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pydicom
import pytest
from networks import make_site, make_topology, quiet

from emulator.topology.resolved import Pacs, Site
from emulator.waiting import wait_until
from emulator.worlds import World
from emulator.worlds.record import service_folder
from nodes import pacs
from nodes.endpoints import Endpoint
from nodes.pacs.fronting import ARCHIVE_PORT
from testbed.composition import services
from testbed.inspection import inspect

pytestmark = pytest.mark.integration

PROFILES: dict[str, dict[str, object]] = {
    "paged": {"page": 1, "auth": "basic"},
    "token": {"auth": "bearer", "tls": True},
    "mutual": {"auth": "mutual"},
}
MOST_S = 60.0


def hospital(index: int, name: str) -> Site:
    return replace(make_site(index, "regional", name), pacs=Pacs(name, "orthanc", {"web": PROFILES[name]}))


SITES = [hospital(index, name) for index, name in enumerate(PROFILES, 1)]
TOPOLOGY = make_topology("gateways", SITES)


def up() -> World:
    return World.up(TOPOLOGY, "gateways", services(TOPOLOGY, dict.fromkeys(PROFILES)), None, quiet)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("home")
        patch.setenv("TESTBED_HOME", str(home))
        try:
            yield up()
        finally:
            World.down("gateways")
        assert not [process for process in Path("/proc").glob("[0-9]*") if str(home) in _command(process)]


def _command(process: Path) -> str:
    try:
        return (process / "cmdline").read_text()
    except OSError:  # ended meanwhile
        return ""


def endpoint(name: str) -> Endpoint:
    return pacs.get("orthanc").endpoint(next(site for site in SITES if site.name == name))


def known(name: str) -> list[str]:
    """The options of curl that an endpoint stands for."""
    reached = endpoint(name)
    login, tls = reached.login, reached.web_tls
    options = ["--cacert", tls.authority] if tls else []
    options += ["--cert", tls.certificate, "--key", tls.key] if tls and tls.certificate else []
    options += ["--user", f"{login.user}:{login.password}"] if login and login.user else []
    return options + (["--oauth2-bearer", login.token] if login and login.token else [])


def curl(world: World, name: str, *argv: str) -> str:
    """What curl at a worker prints; empty where it fails."""
    code, printed = world.output(f"{name}/worker", ["curl", "--silent", "--max-time", "60", *argv])
    return "" if code else printed


def answers(world: World) -> dict[str, tuple[str, bool]]:
    return {site["name"]: (site["state"], site["pacs"]["answers"]) for site in inspect(world)["sites"]}


def pid(world: World, service: str) -> int:
    return int((service_folder(world.folder, service) / "pid").read_text().split()[0])


def stored(world: World, name: str, file: Path, uid: str) -> None:
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.7", f"{uid}.1.1"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.PatientID = uid, f"{uid}.1", "P"
    dataset.save_as(file, enforce_file_format=True)
    root = (endpoint(name).dicomweb or "").replace("/dicom-web/", "")
    assert "Success" in curl(world, name, *known(name), "--data-binary", f"@{file}", f"{root}/instances")


def test_status_asks_every_pacs_through_its_gateway(world: World) -> None:
    assert answers(world) == dict.fromkeys(PROFILES, ("up", True))


@pytest.mark.parametrize("name", PROFILES)
def test_a_worker_calls_as_its_endpoint_says_and_is_given_the_gateways_addresses(
    world: World, tmp_path: Path, name: str
) -> None:
    root = endpoint(name).dicomweb or ""
    for number in (1, 2):
        stored(world, name, tmp_path / f"{number}.dcm", f"2.25.{number}")
    found = json.loads(curl(world, name, *known(name), f"{root}studies"))
    assert len(found) == (1 if name == "paged" else 2)
    assert all(study["00081190"]["Value"][0].startswith(f"{root}studies/2.25.") for study in found)


@pytest.mark.parametrize("name", PROFILES)
def test_who_is_not_known_gets_nothing_and_nobody_gets_past_the_gateway(world: World, name: str) -> None:
    reached = endpoint(name)
    trust = ["--cacert", reached.web_tls.authority] if reached.web_tls else []
    code = curl(
        world, name, *trust, "--output", os.devnull, "--write-out", "%{http_code}", f"{reached.dicomweb}studies"
    )
    assert code == ("" if name == "mutual" else "401")
    inner = f"http://{reached.host}:{ARCHIVE_PORT}/system"
    assert "Version" not in curl(world, name, *known(name), inner)


def test_a_gateway_that_falls_is_seen_and_up_brings_it_back_alone(world: World) -> None:
    archive = pid(world, "paged/pacs")
    os.kill(_outer(world, "paged/pacs-gateway"), signal.SIGKILL)
    wait_until(lambda: answers(world)["paged"] == ("silent", False), within_s=MOST_S, what="a silent PACS")
    again = up()
    assert answers(again)["paged"] == ("up", True)
    assert pid(again, "paged/pacs") == archive


def _outer(world: World, service: str) -> int:
    """The number that a service's process has outside of the world."""
    folder = str(service_folder(world.folder, service))
    (found,) = [process.name for process in Path("/proc").glob("[0-9]*") if f"{folder}/" in _command(process)]
    return int(found)
