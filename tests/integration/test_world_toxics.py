"""Each toxic does its thing on real streams, and nothing else changes: addresses, the ledger, who is who."""

import contextlib
import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from link_probes import wait_until_listening
from networks import make_site, make_topology, quiet
from pydicom import Dataset, FileMetaDataset, dcmwrite
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

from emulator.errors import Fell, WrongInput, WrongState
from emulator.places import (
    DICOMWEB_PORT,
    DIMSE_PORT,
    HUB_ADDRESS,
    MODEL_PORT,
    UPDATE_PORT,
    Service,
    gateway_address,
    pacs_address,
    worker_address,
)
from emulator.topology.resolved import (
    BandwidthToxic,
    DownToxic,
    LatencyToxic,
    LimitDataToxic,
    Pacs,
    ResetPeerToxic,
    Site,
    SlicerToxic,
    SlowCloseToxic,
    Stream,
    TimeoutToxic,
    Topology,
    Toxic,
)
from emulator.toxics import PROGRAM
from emulator.worlds import World
from nodes.pacs import flavours

needs_toxiproxy = pytest.mark.skipif(
    shutil.which(PROGRAM) is None, reason=f"{PROGRAM} is not on the PATH: ./dev install --tests builds it"
)
pytestmark = [pytest.mark.integration, needs_toxiproxy]

ILL, WELL, DEAF = "ill", "well", "deaf"
FROM_THE_START = LatencyToxic(on="dicomweb", latency_s=0.5, stream="upstream")
SYSTEM = b"GET /system HTTP/1.0\r\n\r\n"
KEPT_OPEN = b"GET /system HTTP/1.1\r\nHost: pacs\r\n\r\n"
SLOW_S = 0.4  # more than any answer here takes by itself
STREAMS: tuple[Stream, ...] = ("downstream", "upstream")
_ROOT = str(Path(__file__).parents[2])
# Answers each connection with the address that it came from, once it has read what was announced: "N\n", N bytes.
_ECHO = """
import socket, sys
listening = socket.create_server((sys.argv[1], int(sys.argv[2])))
while True:
    connection, (host, _) = listening.accept()
    with connection, connection.makefile("rb") as said:
        wanted = said.readline()
        said.read(int(wanted or 0))
        connection.sendall(host.encode())
"""
_BY_TOXIPROXY_PYTHON = """
import json
from toxiproxy import Toxiproxy
proxies = Toxiproxy().proxies()
proxies["dimse"].add_toxic(type="latency", stream="upstream", toxicity=0.5, attributes={"latency": 70, "jitter": 7})
toxics = {name: list(proxy.toxics().values()) for name, proxy in proxies.items()}
print(json.dumps({name: [[t.type, t.stream, t.toxicity, t.attributes] for t in its] for name, its in toxics.items()}))
"""
_SNAP = """
import dataclasses, json, sys
sys.path.insert(0, sys.argv[1])
from emulator.ledger import Ledger
snap = Ledger(sys.argv[2:]).snap()
print(json.dumps({site: {p: dataclasses.asdict(c) for p, c in parts.items()} for site, parts in snap.items()}))
"""


def _topology(*ill: Toxic) -> Topology:
    deaf = replace(make_site(3, "regional", DEAF), pacs=Pacs("deaf", "orthanc", {"dimse": False}))
    return make_topology(
        "toxics", [replace(make_site(1, "regional", ILL), toxics=ill), make_site(2, "vdsl", WELL), deaf]
    )


def _services(topology: Topology) -> list[Service]:
    return [flavours.get("orthanc").services(site, None)[0] for site in topology.sites]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("home")
        patch.setenv("TESTBED_HOME", str(folder))
        yield folder


@pytest.fixture(scope="module")
def world(home: Path) -> Iterator[World]:
    topology = _topology(FROM_THE_START)
    try:
        yield World.up(topology, "toxics", _services(topology), None, quiet)
    finally:
        World.down("toxics")


@pytest.fixture
def ill(world: World) -> Iterator[Callable[..., None]]:
    """Puts toxics on at the ill site, which has none when a test begins and none afterwards."""
    for toxic in world.toxics(ILL):
        world.remove_toxic(ILL, toxic)

    def poison(*toxics: Toxic) -> None:
        for toxic in toxics:
            world.add_toxic(ILL, toxic)

    yield poison
    for toxic in world.toxics(ILL):
        world.remove_toxic(ILL, toxic)


@pytest.fixture(scope="module")
def hub(world: World) -> Iterator[None]:
    """A server on each port of the hub that tells who asks."""
    argv = [sys.executable, "-c", _ECHO, HUB_ADDRESS]
    running = [world.run("hub", [*argv, str(port)]) for port in (MODEL_PORT, UPDATE_PORT)]
    wait_until_listening(world, "hub", MODEL_PORT)
    wait_until_listening(world, "hub", UPDATE_PORT)
    yield
    for server in running:
        server.signal(subprocess.signal.SIGKILL)  # type: ignore[attr-defined]
        server.wait()


def _ask(world: World, said: bytes = SYSTEM, place: str = f"{ILL}/worker", host: str = pacs_address(1),
         port: int = DICOMWEB_PORT) -> "Answer":  # fmt: skip
    """What comes back from a port, as the worker sees it."""
    began = time.monotonic()
    with world.connect(place, host, port, 10.0) as connection:
        connection.settimeout(20.0)
        connection.sendall(said)
        return Answer(*_received(connection, began))


class Answer:
    """`ended` is when the last byte and when the end came; `pieces` what each `recv` gave; `reset` how it ended."""

    def __init__(self, pieces: list[bytes], last_s: float, ended_s: float, reset: bool) -> None:
        self.pieces, self.last_s, self.ended_s, self.reset = pieces, last_s, ended_s, reset
        self.whole = b"".join(pieces)


def _received(connection: socket.socket, began: float) -> tuple[list[bytes], float, float, bool]:
    pieces, last_s = [], 0.0
    try:
        while piece := connection.recv(65_536):
            pieces.append(piece)
            last_s = time.monotonic() - began
    except ConnectionResetError:
        return pieces, last_s, time.monotonic() - began, True
    return pieces, last_s, time.monotonic() - began, False


def _to_hub(world: World, size: int, port: int = MODEL_PORT, place: str = f"{ILL}/worker") -> Answer:
    return _ask(world, f"{size}\n".encode() + bytes(size), place, HUB_ADDRESS, port)


def _post(size: int) -> bytes:
    return f"POST /tools/find HTTP/1.0\r\nContent-Length: {size}\r\n\r\n".encode() + b"x" * size


def test_toxics_of_the_topology_are_on_from_the_start(world: World) -> None:
    assert world.toxics(ILL) == (FROM_THE_START,)
    assert world.toxics(WELL) == ()
    assert b" 200 " in (slow := _ask(world)).whole
    assert slow.last_s >= FROM_THE_START.latency_s
    assert _ask(world, place=f"{WELL}/worker", host=pacs_address(2)).last_s < SLOW_S


@pytest.mark.parametrize("stream", STREAMS)
def test_latency_delays_either_way(world: World, ill: Callable[..., None], stream: Stream) -> None:
    ill(LatencyToxic(on="dicomweb", latency_s=0.5, stream=stream))
    assert b" 200 " in (slow := _ask(world)).whole
    assert slow.last_s >= 0.5


def test_latency_on_both_ways_adds_up(world: World, ill: Callable[..., None]) -> None:
    ill(*(LatencyToxic(on="dicomweb", latency_s=0.5, stream=stream) for stream in STREAMS))
    assert _ask(world).last_s >= 1.0


def test_bandwidth_limits_downloads(world: World, ill: Callable[..., None]) -> None:
    asked = b"GET /app/libs/jquery.min.js HTTP/1.0\r\n\r\n"
    free = _ask(world, asked)
    ill(BandwidthToxic(on="dicomweb", rate_bps=800_000))
    slow = _ask(world, asked)
    assert slow.whole == free.whole
    assert slow.last_s == pytest.approx(len(free.whole) / 100_000, rel=0.3)
    assert free.last_s < slow.last_s / 2


def test_bandwidth_limits_uploads(world: World, ill: Callable[..., None]) -> None:
    ill(BandwidthToxic(on="dicomweb", rate_bps=800_000, stream="upstream"))
    assert _ask(world, _post(100_000)).last_s == pytest.approx(1.0, rel=0.3)


def test_slow_close_keeps_the_connection_open_after_the_answer(world: World, ill: Callable[..., None]) -> None:
    ill(SlowCloseToxic(on="dicomweb", delay_s=0.5))
    assert b" 200 " in (closed_late := _ask(world)).whole
    assert closed_late.ended_s - closed_late.last_s >= 0.45


def test_timeout_lets_nothing_pass_and_then_closes(world: World, ill: Callable[..., None]) -> None:
    ill(TimeoutToxic(on="dicomweb", timeout_s=0.1))
    silent = [_ask(world, KEPT_OPEN) for _ in range(4)]
    assert not any(one.whole for one in silent)
    assert 0.1 <= min(one.ended_s for one in silent) < 0.5  # Orthanc itself would close it later


def test_reset_peer_resets(world: World, ill: Callable[..., None]) -> None:
    ill(ResetPeerToxic(on="dicomweb", timeout_s=0.1))
    cut = _ask(world)
    assert cut.reset
    assert cut.whole == b""


def test_slicer_cuts_answers_into_small_pieces(world: World, ill: Callable[..., None]) -> None:
    free = _ask(world)
    ill(SlicerToxic(on="dicomweb", average_bytes=100, delay_s=0.1))
    sliced = _ask(world)
    assert sliced.whole == free.whole
    assert sliced.last_s >= 0.1 * (len(free.whole) // 100 - 2)  # however many at once a reader that is held up gets
    assert len(sliced.pieces) > len(free.pieces)


@pytest.mark.parametrize("stream", STREAMS)
def test_limit_data_closes_after_so_many_bytes(world: World, ill: Callable[..., None], stream: Stream) -> None:
    ill(LimitDataToxic(on="dicomweb", limit_bytes=10, stream=stream))
    cut = _ask(world)
    assert len(cut.whole) == 10 if stream == "downstream" else b" 200 " not in cut.whole


def test_down_refuses_and_ends_what_is_open(world: World, ill: Callable[..., None]) -> None:
    ill(LatencyToxic(on="dicomweb", latency_s=0.001))  # so that a connection goes through the proxy
    with world.connect(f"{ILL}/worker", pacs_address(1), DICOMWEB_PORT) as open_before:
        ill(DownToxic(on="dicomweb"))
        open_before.settimeout(5.0)
        with contextlib.suppress(ConnectionResetError):
            assert open_before.recv(1) == b""
    with pytest.raises(Fell, match="refused"):
        _ask(world)
    assert DownToxic(on="dicomweb") in world.toxics(ILL)
    world.remove_toxic(ILL, DownToxic(on="dicomweb"))
    assert b" 200 " in _ask(world).whole


@pytest.mark.parametrize(("toxicity", "fewest", "most"), [(0.0, 0, 0), (0.5, 2, 28), (1.0, 30, 30)])
def test_toxicity_is_the_share_of_connections_that_have_it(
    world: World, ill: Callable[..., None], toxicity: float, fewest: int, most: int
) -> None:
    ill(LimitDataToxic(on="dicomweb", limit_bytes=1, toxicity=toxicity))
    assert fewest <= sum(len(_ask(world).whole) == 1 for _ in range(30)) <= most


def _dicom(folder: Path) -> str:
    """A file of 200 kB that any archive takes."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    image = Dataset()
    image.file_meta = meta
    image.SOPClassUID, image.SOPInstanceUID = SecondaryCaptureImageStorage, meta.MediaStorageSOPInstanceUID
    image.StudyInstanceUID, image.SeriesInstanceUID = generate_uid(), generate_uid()
    image.PatientID, image.Modality = "1", "OT"
    image.Rows, image.Columns, image.BitsAllocated, image.BitsStored, image.HighBit = 320, 320, 16, 16, 15
    image.SamplesPerPixel, image.PhotometricInterpretation, image.PixelRepresentation = 1, "MONOCHROME2", 0
    image.PixelData = bytes(2 * 320 * 320)
    dcmwrite(folder / "image.dcm", image, enforce_file_format=True)
    return str(folder / "image.dcm")


def _dimse(world: World, *argv: str) -> tuple[bool, float]:
    """Whether a program of dcmtk at the worker's succeeds with the PACS, and how long it takes."""
    program, *files = argv
    began = time.monotonic()
    code, _ = world.output(f"{ILL}/worker", [program, "-to", "10", pacs_address(1), str(DIMSE_PORT), *files])
    return code == 0, time.monotonic() - began


def test_toxics_on_dimse_are_felt_by_dimse_alone(world: World, ill: Callable[..., None], tmp_path: Path) -> None:
    file = _dicom(tmp_path)
    well, quick_s = _dimse(world, "storescu", file)
    assert well
    ill(BandwidthToxic(on="dimse", rate_bps=1_600_000, stream="upstream"))
    stored, slow_s = _dimse(world, "storescu", file)
    assert stored
    assert slow_s >= 0.8 > quick_s
    assert _ask(world).last_s < SLOW_S
    ill(LimitDataToxic(on="dimse", limit_bytes=50_000, stream="upstream"))
    assert not _dimse(world, "storescu", file)[0]
    assert _dimse(world, "echoscu")[0]


def test_a_dimse_port_that_is_down_comes_back(world: World, ill: Callable[..., None]) -> None:
    ill(DownToxic(on="dimse"))
    assert not _dimse(world, "echoscu")[0]
    world.remove_toxic(ILL, DownToxic(on="dimse"))
    assert _dimse(world, "echoscu")[0]


def test_toxiproxy_python_and_we_understand_the_same_server(world: World, ill: Callable[..., None]) -> None:
    ill(BandwidthToxic(on="hub", rate_bps=800_000), LimitDataToxic(on="dicomweb", limit_bytes=9, toxicity=0.25))
    code, printed = world.output(ILL, [sys.executable, "-c", _BY_TOXIPROXY_PYTHON])
    assert code == 0, printed
    on_hub = ["bandwidth", "downstream", 1, {"rate": 100}]
    assert json.loads(printed) == {
        "dicomweb": [["limit_data", "downstream", 0.25, {"bytes": 9}]],
        "dimse": [["latency", "upstream", 0.5, {"latency": 70, "jitter": 7}]],
        **{f"hub-{port}": [on_hub] for port in ("control", "model", "update", "studies")},
    }
    theirs = LatencyToxic(on="dimse", stream="upstream", toxicity=0.5, latency_s=0.07, jitter_s=0.007)
    assert theirs in world.toxics(ILL)


@pytest.mark.usefixtures("hub")
def test_toxics_on_the_hub_are_on_all_its_ports_and_at_one_site_only(world: World, ill: Callable[..., None]) -> None:
    ill(BandwidthToxic(on="hub", rate_bps=400_000, stream="upstream"))
    for port in (MODEL_PORT, UPDATE_PORT):
        assert _to_hub(world, 50_000, port).last_s == pytest.approx(1.0, rel=0.3)
    assert _to_hub(world, 50_000, place=f"{WELL}/worker").last_s < 0.5


@pytest.mark.usefixtures("hub")
def test_the_hub_sees_a_site_by_an_address_of_its_own(world: World, ill: Callable[..., None]) -> None:
    ill(LatencyToxic(on="hub", latency_s=0.001))
    assert _to_hub(world, 1).whole.decode() == gateway_address(1)
    assert _to_hub(world, 1, place=f"{WELL}/worker").whole.decode() == worker_address(2)


@pytest.mark.usefixtures("hub")
def test_nobody_but_the_worker_gets_through_the_proxies(world: World, ill: Callable[..., None]) -> None:
    ill(LatencyToxic(on="hub", latency_s=0.001))
    for place in (f"{ILL}/pacs", f"{ILL}/worker", f"{WELL}/worker", "hub"):
        with pytest.raises(Fell, match="timed out"):
            world.connect(place, gateway_address(1), MODEL_PORT + 10_000, 1.0)
    with pytest.raises(Fell, match="timed out"):
        world.connect(f"{ILL}/pacs", HUB_ADDRESS, MODEL_PORT, 1.0)


def _interface(world: World) -> dict[str, dict[str, int]]:
    printed = world.output(f"{ILL}/worker", ["ip", "-j", "-s", "link", "show", "eth0"])[1]
    counted: dict[str, dict[str, int]] = json.loads(printed)[0]["stats64"]
    return counted


def _parts(world: World) -> dict[str, dict[str, int]]:
    code, printed = world.output("hub", [sys.executable, "-c", _SNAP, _ROOT, ILL])
    assert code == 0, printed
    parts: dict[str, dict[str, int]] = json.loads(printed)[ILL]
    return parts


def _counted(world: World) -> tuple[dict[str, dict[str, int]], dict[str, dict[str, int]]]:
    """The ledger and the interface at a moment when nothing moved between the two readings."""
    for _ in range(50):
        before, parts, after = _interface(world), _parts(world), _interface(world)
        if before == after:
            return parts, after
        time.sleep(0.1)
    raise AssertionError("the site's interface never came to rest")


@pytest.mark.usefixtures("hub")
def test_the_ledger_still_tells_purposes_apart_and_loses_nothing(world: World, ill: Callable[..., None]) -> None:
    ill(*(LatencyToxic(on=on, latency_s=0.01) for on in ("dicomweb", "dimse", "hub")))
    first_parts, first = _counted(world)
    pulled = len(_ask(world, b"GET /app/libs/jquery.min.js HTTP/1.0\r\n\r\n").whole)
    _to_hub(world, 300_000, UPDATE_PORT)
    parts, total = _counted(world)
    for way in ("rx", "tx"):
        frames = sum(parts[p][f"{way}_packets"] - first_parts[p][f"{way}_packets"] for p in parts)
        counted = sum(parts[p][f"{way}_bytes"] - first_parts[p][f"{way}_bytes"] for p in parts)
        assert frames == total[way]["packets"] - first[way]["packets"]
        assert counted + 14 * frames == total[way]["bytes"] - first[way]["bytes"]
    assert pulled < parts["pull"]["rx_bytes"] - first_parts["pull"]["rx_bytes"] < 1.1 * pulled
    assert 300_000 < parts["update"]["tx_bytes"] - first_parts["update"]["tx_bytes"] < 330_000
    assert parts["control"] == first_parts["control"]


def _pid(world: World) -> str:
    return (world.folder / "services" / f"{ILL}.toxiproxy" / "pid").read_text()


def test_an_equal_topology_does_nothing_and_another_makes_only_the_difference(world: World, home: Path) -> None:
    began = _topology(FROM_THE_START)
    World.up(_topology(FROM_THE_START, DownToxic(on="dimse")), "toxics", _services(began), None, quiet)
    before = _pid(world)
    with world.connect(f"{ILL}/worker", pacs_address(1), DICOMWEB_PORT) as open_before:
        slower = replace(FROM_THE_START, latency_s=0.6)
        same = World.up(_topology(slower), "toxics", _services(began), None, quiet)
        assert same.toxics(ILL) == (slower,)
        assert not same.planned(_topology(slower), _services(began)).any
        open_before.settimeout(10.0)
        at = time.monotonic()
        open_before.sendall(SYSTEM)
        assert b" 200 " in Answer(*_received(open_before, at)).whole
    assert _pid(world) == before
    without = World.up(_topology(), "toxics", _services(began), None, quiet)
    assert without.output(ILL, ["nft", "list", "ruleset"]) == (0, "")
    assert not [name for name, runs in without.services().items() if name.endswith("/toxiproxy")]
    assert _ask(without).last_s < SLOW_S
    again = World.up(began, "toxics", _services(began), None, quiet)
    assert again.toxics(ILL) == (FROM_THE_START,)


def test_a_toxiproxy_that_was_killed_is_made_good_by_the_next_up(world: World) -> None:
    present = World.open("toxics")
    topology = present.topology
    before = present.toxics(ILL)
    code, _ = present.output(ILL, ["kill", "-9", _pid(present).split()[0]])
    assert code == 0
    with pytest.raises(Fell):
        present.toxics(ILL)
    again = World.up(topology, "toxics", _services(topology), None, quiet)
    assert again.toxics(ILL) == before
    assert b" 200 " in _ask(again).whole


def test_a_toxic_on_a_port_that_is_not_there_changes_nothing(world: World) -> None:
    before = world.output(DEAF, ["nft", "list", "ruleset"]), World.open("toxics").services()
    with pytest.raises(
        WrongInput, match=rf"site '{DEAF}': a toxic on 'dimse', but nothing answers at 10\.0\.3\.2:4242"
    ):
        World.open("toxics").add_toxic(DEAF, DownToxic(on="dimse"))
    with pytest.raises(WrongInput, match="no place 'nobody'"):
        World.open("toxics").add_toxic("nobody", DownToxic(on="dimse"))
    assert (world.output(DEAF, ["nft", "list", "ruleset"]), World.open("toxics").services()) == before


def test_a_toxic_of_the_moment_comes_and_goes_at_a_site_that_had_none(world: World) -> None:
    present, toxic = World.open("toxics"), LatencyToxic(on="dicomweb", latency_s=0.5)
    with present.connect(f"{DEAF}/worker", pacs_address(3), DICOMWEB_PORT) as open_before:
        present.add_toxic(DEAF, toxic)
        open_before.settimeout(10.0)
        at = time.monotonic()
        open_before.sendall(SYSTEM)
        assert b" 200 " in (as_before := Answer(*_received(open_before, at))).whole
        assert as_before.last_s < SLOW_S
    assert _ask(present, place=f"{DEAF}/worker", host=pacs_address(3)).last_s >= 0.5
    with pytest.raises(WrongState, match="is on already"):
        present.add_toxic(DEAF, replace(toxic, latency_s=0.7))
    present.remove_toxic(DEAF, toxic)
    assert World.open("toxics").toxics(DEAF) == ()
    assert _ask(present, place=f"{DEAF}/worker", host=pacs_address(3)).last_s < SLOW_S
    with pytest.raises(WrongState):
        present.remove_toxic(DEAF, toxic)


def test_a_toxic_that_one_port_refuses_is_on_none(world: World, ill: Callable[..., None]) -> None:
    ill(LimitDataToxic(on="hub", limit_bytes=10**9))
    last = "http://127.0.0.1:8474/proxies/hub-update/toxics"
    foreign = '{"type": "latency", "attributes": {"latency": 1}}'
    assert world.output(ILL, ["curl", "-sf", "-d", foreign, last])[0] == 0
    with pytest.raises(WrongInput, match=r"refused POST /proxies/hub-update/toxics: .*already exists"):
        ill(LatencyToxic(on="hub", latency_s=0.5))
    told = json.loads(world.output(ILL, ["curl", "-s", "http://127.0.0.1:8474/proxies"])[1])
    for port in ("hub-control", "hub-model"):
        assert [toxic["type"] for toxic in told[port]["toxics"]] == ["limit_data"]
    assert world.output(ILL, ["curl", "-sf", "-X", "DELETE", f"{last}/latency_downstream"])[0] == 0


def _servers(home: Path) -> list[str]:
    lines = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            lines.append(process.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return [line for line in lines if PROGRAM in line and str(home) in line]


def test_nothing_is_left_after_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TESTBED_HOME", str(tmp_path))
    site: Site = replace(make_site(1, "regional", "lone"), toxics=(DownToxic(on="hub"),))
    World.up(make_topology("lone", [site]), "lone", [], None, quiet)
    assert len(_servers(tmp_path)) == 1
    World.down("lone")
    assert not _servers(tmp_path)
    assert not (tmp_path / "worlds" / "lone").exists()
