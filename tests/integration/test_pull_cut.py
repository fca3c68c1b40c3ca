"""A pull that is cut, killed or fed with rubbish loses nothing, doubles nothing and asks only for what it lacks."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from archives import Relay, dcmqrscp, free_ports, orthanc, scan, study, uid

from nodes.endpoints import Endpoint
from nodes.errors import PullFailed
from nodes.pull import Client, Patience, Store

pytestmark = pytest.mark.integration

QUICK = Patience(idle_s=60, pauses_s=(0.0, 0.0, 0.0, 0.0))
HEAD_BYTES = 512  # at most, of an instance that is asked for by itself: multipart's, or of a response
PROTOCOL_BYTES = {"wado-rs": 4096, "c-get": 2048, "c-move": 2048}
"""Beside it, for each: its entry in a list (over HTTP), or its part of the associations."""
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def move_port() -> int:
    return free_ports(1)[0]


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory, move_port: int) -> Iterator[Endpoint]:
    with orthanc(tmp_path_factory.mktemp("orthanc"), study(1), move_port) as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def dimse(tmp_path_factory: pytest.TempPathFactory, move_port: int) -> Iterator[Endpoint]:
    with dcmqrscp(tmp_path_factory.mktemp("qrscp"), study(1), move_port) as endpoint:
        yield endpoint


def relayed(endpoint: Endpoint, way: str, relay: Relay, port: int) -> Endpoint:
    """The endpoint with the relay in between: before the PACS, or before the worker's port for C-MOVE."""
    if way == "wado-rs":
        return replace(endpoint, dicomweb=f"http://127.0.0.1:{relay.port}/dicom-web/", retrieve=(way,))
    if way == "c-get":
        return replace(endpoint, dimse_port=relay.port, retrieve=(way,))
    return replace(endpoint, move_port=port, retrieve=(way,))


def kept(store: Store) -> dict[str, bytes]:
    return {instance.uid: bytes(data) for instance, data in store.holding(uid(1)).views()}


@pytest.mark.parametrize("way", ["wado-rs", "c-get", "c-move"])
def test_a_pull_cut_at_any_byte_loses_nothing_doubles_nothing_and_sends_little_again(
    way: str, web: Endpoint, dimse: Endpoint, move_port: int, tmp_path: Path
) -> None:
    pacs = web if way == "wado-rs" else dimse
    inner = free_ports(1)[0]
    target = {
        "wado-rs": int((web.dicomweb or "").split(":")[2].split("/")[0]),
        "c-get": dimse.dimse_port,
        "c-move": inner,
    }
    store = Store(tmp_path)
    with Relay(target[way] or 0, move_port if way == "c-move" else 0, caller=way == "c-move") as relay:
        endpoint = relayed(pacs, way, relay, inner)
        with Client(endpoint, store, QUICK) as client:
            client.studies()
            relay.carried = 0
            _, plain = client.pull(uid(1))
        whole, carried = kept(store), relay.carried
        assert len(whole) == plain.instances == 24
        largest = max(map(len, whole.values()))
        rng = random.Random(way)  # noqa: S311 - places to cut at
        for _ in range(67):
            store.forget(uid(1))
            with Client(endpoint, store, QUICK) as client:
                client.studies()
                relay.carried, relay.reset = 0, rng.random() < 0.5
                relay.cut_after = rng.randrange(1, carried)
                holding, fetched = client.pull(uid(1))
            assert kept(store) == whole
            assert (len(holding), fetched.way, fetched.doubled) == (24, way, 0)
            assert fetched.retries >= 1
            if not relay.reset:  # which takes with it what the kernel had for us, and nobody had read
                assert fetched.rx <= plain.rx + largest + 24 * HEAD_BYTES
                assert relay.carried <= carried + largest + 24 * PROTOCOL_BYTES[way]


_PULLING = """
import json, sys
from pathlib import Path
from nodes.endpoints import Endpoint
from nodes.errors import PullFailed
from nodes.pull import Client, Store
endpoint, folder, uid = Endpoint(**json.loads(sys.argv[1])), Path(sys.argv[2]), sys.argv[3]
with Client(endpoint, Store(folder)) as client:
    client.pull(uid)
"""


def test_what_a_killed_pull_has_kept_counts_for_the_next(web: Endpoint, tmp_path: Path) -> None:
    port = int((web.dicomweb or "").split(":")[2].split("/")[0])
    with Relay(port) as relay:
        endpoint = replace(web, dicomweb=f"http://127.0.0.1:{relay.port}/dicom-web/", retrieve=("wado-rs",))
        given = json.dumps({"site": "lyon", "host": "127.0.0.1", "dicomweb": endpoint.dicomweb, "dimse_port": None})
        relay.stall_after = 60_000
        argv = [sys.executable, "-c", _PULLING, given, str(tmp_path), uid(1)]
        killed = subprocess.Popen(argv, env={**os.environ, "PYTHONPATH": str(ROOT)})
        packs = lambda: [path for path in tmp_path.rglob("*.pack") if path.stat().st_size > 40_000]  # noqa: E731
        deadline = time.monotonic() + 60
        while not packs():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        with packs()[0].open("ab") as torn:
            torn.write(b"PULL" + bytes(500))  # as a kill in the middle of a write leaves it
        before = len(Store(tmp_path).holding(uid(1)))
        assert 0 < before < 24
        with Client(endpoint, Store(tmp_path)) as client:
            holding, fetched = client.pull(uid(1))
        assert (len(holding), fetched.doubled) == (24, 0)
        assert fetched.rx < (24 - before) * 8_000


def test_what_was_changed_on_the_disk_is_fetched_again(web: Endpoint, tmp_path: Path) -> None:
    store = Store(tmp_path)
    with Client(web, store) as client:
        client.pull(uid(1))
        sound = kept(store)
        (pack,) = tmp_path.rglob("*.pack")
        content = bytearray(pack.read_bytes())
        content[len(content) // 2] ^= 1
        pack.write_bytes(content)
        assert len(store.holding(uid(1))) == 23
        holding, _ = client.pull(uid(1))
        assert len(holding) == 24
        assert kept(store) == sound


def test_each_way_gives_the_same_volumes_to_the_bit(web: Endpoint, dimse: Endpoint, tmp_path: Path) -> None:
    wanted = scan(1).stored
    for pacs in (web, dimse):
        for way in ("wado-rs", "c-get", "c-move"):
            if way == "wado-rs" and pacs is dimse:
                continue
            with Client(replace(pacs, retrieve=(way,)), Store(tmp_path)) as client:
                assert client.studies() == [uid(1)]
                volumes, fetched = client.study(uid(1))
                client.forget(uid(1))
            assert fetched.way == way
            assert fetched.instances == 24
            assert (volumes.volumes["MR"].values == wanted.astype("float32")).all()


def test_where_one_way_is_refused_the_next_is_taken_and_the_reason_is_told(
    web: Endpoint, dimse: Endpoint, tmp_path: Path
) -> None:
    nowhere = free_ports(1)[0]
    broken = replace(web, dicomweb=f"http://127.0.0.1:{nowhere}/dicom-web/")
    with Client(broken, Store(tmp_path), Patience(pauses_s=(0.0,))) as client:
        _, fetched = client.pull(uid(1))
        client.forget(uid(1))
        assert fetched.way == "c-get"
        assert "no wado-rs: " in fetched.why
        assert "ConnectionRefused" in fetched.why
        _, again = client.pull(uid(1))  # what was found out is remembered
        assert again.retries == 0
    stranger = replace(dimse, calling_aet="STRANGER", retrieve=("c-move",))
    with Client(stranger, Store(tmp_path / "b")) as client, pytest.raises(PullFailed, match="move destination") as told:
        client.pull(uid(1))
    assert f"lyon: study {uid(1)} could not be pulled" in str(told.value)
    wrong = Client(replace(dimse, aet="WRONG"), Store(tmp_path / "c"))
    with wrong, pytest.raises(PullFailed, match="it has another AE title than the one we called"):
        wrong.studies()
