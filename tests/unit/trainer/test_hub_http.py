"""The hub's HTTP service over real connections, cut ones too."""

import asyncio
import contextlib
import io
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from emulator.waiting import wait_until
from nodes.pull import Store
from nodes.pull.parcels import Delivery, Parcel, parcel
from nodes.pull.store import Holding
from trainer import weights
from trainer.arrived import listed, store_of
from trainer.config import HubPlace
from trainer.errors import TransferFailed, UpdateRefused
from trainer.hub.app import app
from trainer.hub.arrivals import Arrivals
from trainer.hub.desk import Desk, Port
from trainer.messages import Report, Trouble
from trainer.worker.calls import Caller
from trainer.worker.hub_client import HubClient, pause_s

SITES = {"127.64.0.1": "lyon", "127.64.0.2": "nice"}
LYON, NICE = SITES


def model(seed: int = 0, edge: int = 300) -> weights.Weights:
    draw = np.random.default_rng(seed)
    return {"w": draw.standard_normal((edge, edge)).astype(np.float32), "b": np.zeros(3, np.float32)}


class Server(uvicorn.Server):
    def install_signal_handlers(self) -> None:  # it runs in a thread
        pass


@dataclass
class RunningHub:
    """A hub's desk behind a real server, and who got into trouble. Studies arrive in `folder`."""

    folder: Path
    heard: list[str] = field(default_factory=list)
    troubles: list[tuple[str, Trouble]] = field(default_factory=list)
    told: list[dict[str, Any]] = field(default_factory=list)

    def start(self) -> None:
        self.desk = Desk(SITES, lambda site, trouble: self.troubles.append((site, trouble)), self._tell)
        self.sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(4)]
        numbers = [one.getsockname()[1] for one in self.sockets]
        self.place = HubPlace(
            place=None,
            address="127.0.0.1",
            control_port=numbers[0],
            model_port=numbers[1],
            update_port=numbers[2],
            study_port=numbers[3],
        )
        purposes: tuple[Port, ...] = ("control", "model", "update", "studies")
        self.arrivals = Arrivals(self.folder, self.heard.append)
        service = app(self.desk, dict(zip(numbers, purposes, strict=True)), 0.3, self.arrivals)
        config = uvicorn.Config(service, log_config=None, lifespan="off", proxy_headers=False)
        self.server = Server(config)
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()
        while not self.server.started:
            time.sleep(0.005)

    def _tell(self, event: str, **fields: Any) -> None:
        self.told.append({"event": event, **fields})

    def _serve(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.loop.run_until_complete(self.server.serve(self.sockets))

    def now(self, deed: Callable[..., Any], *given: Any) -> Any:
        """Does something in the server's own thread."""

        async def do() -> Any:
            return deed(*given)

        return asyncio.run_coroutine_threadsafe(do(), self.loop).result(60)

    def stop(self) -> None:
        self.server.should_exit = True
        self.server.force_exit = True
        self.thread.join(10)


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[RunningHub]:
    running = RunningHub(tmp_path / "arrived")
    running.start()
    yield running
    running.stop()


@pytest.fixture
def lyon(hub: RunningHub) -> Iterator[HubClient]:
    client = HubClient(hub.place, LYON, 60.0, np.random.default_rng(0))
    yield client
    client.close()


class CuttingRelay:
    """A relay to a port that cuts its first connections after some bytes in one direction, then leaves them alone.

    It calls on from the caller's own address, so that the hub still knows who calls.
    """

    def __init__(self, port: int, source: str, upward: list[int], downward: list[int]) -> None:
        self._target, self._source = port, source
        self._upward, self._downward = upward, downward
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                caller, _ = self._listening.accept()
            except OSError:
                return
            called = socket.create_connection(("127.0.0.1", self._target), source_address=(self._source, 0))
            up = self._upward.pop(0) if self._upward else 1 << 40
            down = self._downward.pop(0) if self._downward else 1 << 40
            for one, other, left in ((caller, called, up), (called, caller, down)):
                threading.Thread(target=self._pump, args=(one, other, left), daemon=True).start()

    @staticmethod
    def _pump(one: socket.socket, other: socket.socket, left: int) -> None:
        try:
            while left > 0 and (data := one.recv(min(left, 16384))):
                other.sendall(data)
                left -= len(data)
        except OSError:
            pass
        finally:
            for end in (one, other):
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listening.close()


@pytest.fixture
def relayed(hub: RunningHub) -> Iterator[Callable[..., HubClient]]:
    """Makes lyon's client call through relays that cut."""
    relays: list[CuttingRelay] = []

    def make(upward: list[int], downward: list[int], deadline_s: float = 60.0) -> HubClient:
        for port in (hub.place.model_port, hub.place.update_port, hub.place.study_port):
            relays.append(CuttingRelay(port, LYON, list(upward), list(downward)))
        ports = {"model_port": relays[0].port, "update_port": relays[1].port, "study_port": relays[2].port}
        return HubClient(hub.place.model_copy(update=ports), LYON, deadline_s, np.random.default_rng(0))

    yield make
    for relay in relays:
        relay.close()


def test_a_model_whose_transfer_is_cut_goes_on_where_it_stopped(
    hub: RunningHub, relayed: Callable[..., HubClient]
) -> None:
    data = weights.pack(model())
    name = hub.now(hub.desk.offer, data)
    client = relayed(upward=[], downward=[100_000, 120_000])
    assert client.model(name) == data
    client.close()


def test_an_update_whose_transfer_is_cut_goes_on_where_it_stopped(
    hub: RunningHub, relayed: Callable[..., HubClient]
) -> None:
    name = hub.now(hub.desk.offer, weights.pack(model()))
    hub.now(hub.desk.order, "train", 3, {"lyon": name})
    update = weights.pack(model(1), {"samples": 12})
    client = relayed(upward=[150_000, 130_000], downward=[])
    client.update(3, update)
    client.close()
    assert hub.desk.updates["lyon"].samples == 12
    assert (hub.desk.updates["lyon"].weights["w"] == model(1)["w"]).all()
    received = hub.now(hub.desk.take_payload)["lyon", "update"][1]
    assert len(update) <= received < len(update) + 40_000  # no part of it came twice, but for what was in flight
    events = [(entry["event"], entry.get("port")) for entry in hub.told]
    assert events.count(("connect", "update")) == 3
    assert events.count(("disconnect", "update")) >= 1
    assert [entry["attempt"] for entry in hub.told if entry["event"] == "retry"][-1] == 3
    (arrival,) = [entry for entry in hub.told if entry["event"] == "arrival"]
    assert (arrival["site"], arrival["round"], arrival["bytes"], arrival["late"]) == ("lyon", 3, len(update), False)


def instance(number: int, size: int) -> bytes:
    dataset, written = Dataset(), io.BytesIO()
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.4", f"1.2.{number}"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.9", "1.8"
    dataset.add_new(0x7FE00010, "OW", np.random.default_rng(number).bytes(size))
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dcmwrite(written, dataset, enforce_file_format=True)
    return written.getvalue()


def study(folder: Path) -> Holding:
    holding = Store(folder).holding("1.9")
    with holding.stream() as stream:
        for number in range(5):
            stream.whole(memoryview(instance(number, 80_000)))
    return holding


def test_a_study_whose_transfer_is_cut_goes_on_where_it_stopped_and_is_what_was_sent(
    hub: RunningHub, relayed: Callable[..., HubClient], tmp_path: Path
) -> None:
    hub.now(hub.desk.order, "send", 1, {"lyon": None})
    sent = study(tmp_path / "lyon")
    client = relayed(upward=[150_000, 130_000], downward=[])
    client.study("1.9", parcel(sent))
    client.study("1.9", parcel(sent))  # as a worker that was killed before it knew: nothing is kept twice
    client.close()
    hub.now(hub.arrivals.close, "lyon")
    assert listed(hub.folder) == {"lyon": ("1.9",)}
    came = store_of(hub.folder, "lyon").holding("1.9")
    assert {one.uid: one.sha256 for one in came.instances} == {one.uid: one.sha256 for one in sent.instances}
    received = hub.now(hub.desk.take_payload)["lyon", "studies"][1]
    assert parcel(sent).size <= received < 2 * parcel(sent).size + 40_000
    assert "lyon" in hub.heard


def test_a_study_that_is_not_what_was_announced_or_not_awaited_is_not_kept(
    hub: RunningHub, lyon: HubClient, tmp_path: Path
) -> None:
    sent = parcel(study(tmp_path / "lyon"))
    with pytest.raises(TransferFailed, match="no study is awaited from lyon"):
        lyon.study("1.9", sent)
    hub.now(hub.desk.order, "send", 1, {"lyon": None})
    damaged = bytearray(b"".join(sent.parts))
    damaged[-1] ^= 1
    with pytest.raises(UpdateRefused, match="not what was announced"):
        lyon.study("1.9", Parcel(sent.name, sent.size, (memoryview(damaged),)))
    assert len(store_of(hub.folder, "lyon").holding("1.9")) == 0
    lyon.study("1.9", sent)
    assert len(store_of(hub.folder, "lyon").holding("1.9")) == 5


def test_who_brings_a_study_by_another_connection_takes_over_before_it_is_measured(
    hub: RunningHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old connection's bytes come while the new one's disk is slow to say how far the study is."""
    hub.now(hub.desk.order, "send", 1, {"lyon": None})
    sent = parcel(study(tmp_path / "lyon"))
    whole, half = b"".join(sent.parts), sent.size // 2
    measure, measured, go_on = Arrivals.arrived, threading.Event(), threading.Event()

    def slowly(arrivals: Arrivals, site: str, uid: str, name: str) -> int:
        here = measure(arrivals, site, uid, name)
        if here == half:
            measured.set()
            go_on.wait(30)
        return here

    monkeypatch.setattr(Arrivals, "arrived", slowly)

    def bringing(offset: int, first: bytes) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", hub.place.study_port), 30, (LYON, 0))
        head = f"PUT /studies/1.9/{sent.name} HTTP/1.1\r\nHost: hub\r\nContent-Length: {sent.size - offset}\r\n"
        head += f"Upload-Length: {sent.size}\r\nUpload-Offset: {offset}\r\n\r\n"
        connection.sendall(head.encode() + first)
        return connection

    with bringing(0, whole[:half]) as old:
        wait_until(lambda: measure(hub.arrivals, "lyon", "1.9", sent.name) == half, within_s=30, what="one half")
        with bringing(half, whole[half:]) as new:
            assert measured.wait(30)
            old.sendall(whole[half : half + 1000])
            with contextlib.suppress(TimeoutError):
                old.settimeout(1)
                old.recv(1)  # it is told to stop, or its bytes are taken
            go_on.set()
            assert new.recv(100).startswith(b"HTTP/1.1 204")
    assert len(store_of(hub.folder, "lyon").holding("1.9")) == 5


def test_a_study_that_two_connections_end_at_once_is_settled_once(tmp_path: Path) -> None:
    sent = parcel(study(tmp_path / "lyon"))
    one, other = (Delivery(Store(tmp_path / "hub"), "1.9", sent.name) for _ in range(2))
    one.open().write_bytes(b"".join(sent.parts))
    assert not other.settled
    one.settle()
    other.settle()
    assert other.settled
    assert other.arrived() == sent.size


def test_a_transfer_that_never_gets_through_ends_at_its_deadline(
    hub: RunningHub, relayed: Callable[..., HubClient]
) -> None:
    name = hub.now(hub.desk.offer, weights.pack(model()))
    client = relayed(upward=[], downward=[0] * 10_000, deadline_s=5.0)
    begun = time.monotonic()
    with pytest.raises(TransferFailed, match="no way to the hub"):
        client.model(name)
    assert time.monotonic() - begun < 20


def test_who_calls_is_told_by_the_address_and_nothing_else(hub: RunningHub) -> None:
    stranger = Caller("127.0.0.1", hub.place.control_port, "127.0.0.9")
    disguised = stranger.call("GET", "/orders", headers={"X-Forwarded-For": LYON})
    assert disguised.status == 403
    assert b"127.0.0.9 is not the worker of any site" in disguised.body
    stranger.close()


def test_each_port_serves_its_own_purpose_only(hub: RunningHub) -> None:
    for port in (hub.place.control_port, hub.place.update_port):
        caller = Caller("127.0.0.1", port, LYON)
        assert caller.call("GET", "/models/" + "0" * 64).status == 404
        caller.close()
    caller = Caller("127.0.0.1", hub.place.model_port, LYON)
    assert caller.call("GET", "/orders").status == 404
    caller.close()


def test_an_order_reaches_the_site_that_waits_for_it_and_no_other(hub: RunningHub, lyon: HubClient) -> None:
    nice = Caller("127.0.0.1", hub.place.control_port, NICE)
    assert nice.call("GET", "/orders?after=0").status == 204
    threading.Timer(0.5, lambda: hub.now(hub.desk.order, "train", 1, {"lyon": None})).start()
    order = lyon.next_order(0)  # through at least one empty poll
    assert (order.kind, order.round, order.model) == ("train", 1, None)
    assert nice.call("GET", "/orders?after=0").status == 204
    nice.close()
    hub.now(hub.desk.order, "evaluate", 1, {"lyon": "a" * 64})
    assert lyon.next_order(order.number).kind == "evaluate"


@pytest.mark.parametrize(
    ("update", "why"),
    [
        (weights.pack({"w": model()["w"]}, {"samples": 1}), "missing or too many"),
        (weights.pack({**model(), "b": np.zeros(4, np.float32)}, {"samples": 1}), "expected float32"),
        (weights.pack({**model(), "b": np.full(3, np.inf, np.float32)}, {"samples": 1}), "not finite"),
        (weights.pack(model()), "no samples"),
        (b"x" * 1000, "not a safetensors file"),
        (weights.pack(model(edge=400), {"samples": 1}), "at most"),
    ],
)
def test_what_is_no_update_is_refused_with_the_reason(
    hub: RunningHub, lyon: HubClient, update: bytes, why: str
) -> None:
    name = hub.now(hub.desk.offer, weights.pack(model()))
    hub.now(hub.desk.order, "train", 1, {"lyon": name})
    with pytest.raises(UpdateRefused, match=why):
        lyon.update(1, update)
    assert hub.desk.updates == {}
    lyon.update(1, weights.pack(model(2), {"samples": 5}))
    assert hub.desk.updates["lyon"].samples == 5


def test_an_update_that_nobody_asked_for_is_not_taken(hub: RunningHub, lyon: HubClient) -> None:
    name = hub.now(hub.desk.offer, weights.pack(model()))
    hub.now(hub.desk.order, "train", 2, {"nice": name})
    for number in (1, 2, 3):
        with pytest.raises(TransferFailed, match="no update of round"):
            lyon.update(number, weights.pack(model(1), {"samples": 5}))


def test_a_site_that_is_behind_brings_its_update_while_the_others_are_a_round_further(
    hub: RunningHub, lyon: HubClient
) -> None:
    first = hub.now(hub.desk.offer, weights.pack(model()))
    hub.now(hub.desk.order, "train", 1, {"lyon": first, "nice": first})
    hub.desk.behind = frozenset({"lyon"})
    hub.now(hub.desk.order, "evaluate", 1, {"nice": first})
    hub.now(hub.desk.clear)
    second = hub.now(hub.desk.offer, weights.pack(model(9)))
    hub.now(hub.desk.order, "train", 2, {"nice": second})
    assert lyon.model(first) == weights.pack(model())
    lyon.update(1, weights.pack(model(2), {"samples": 5}))
    assert (hub.desk.updates["lyon"].round, hub.told[-1]["late"]) == (1, True)
    hub.desk.behind = frozenset()
    hub.now(hub.desk.order, "evaluate", 2, {"nice": second})
    with pytest.raises(TransferFailed, match="no update of round 1"):
        lyon.update(1, weights.pack(model(2), {"samples": 5}))


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_pauses_between_attempts_grow_to_a_bound_and_differ(tries: int, luck: float) -> None:
    assert pause_s(1, luck) == 0.0
    assert pause_s(tries, luck) <= pause_s(tries, 1.0) <= pause_s(tries + 1, 1.0) <= 5.0
    assert pause_s(tries, 0.0) == pause_s(tries, 1.0) / 2


def test_announced_bytes_and_hash_are_held_to(hub: RunningHub) -> None:
    name = hub.now(hub.desk.offer, weights.pack(model()))
    hub.now(hub.desk.order, "train", 1, {"lyon": name})
    caller = Caller("127.0.0.1", hub.place.update_port, LYON)
    body = weights.pack(model(1), {"samples": 1})
    path = f"/updates/1/{'0' * 64}"
    refused = caller.call("PUT", path, body, {"Upload-Length": str(len(body))})
    assert (refused.status, "SHA-256" in json.loads(refused.body)["detail"]) == (422, True)
    assert caller.call("PUT", path, body, {"Upload-Length": "10"}).status == 413
    assert caller.call("PUT", path, body, {"Upload-Length": "-1"}).status == 422
    caller.close()


def test_reports_and_troubles_arrive_when_they_are_awaited(hub: RunningHub, lyon: HubClient) -> None:
    report = Report(round=1, model="a" * 64, labels=[0], probabilities=[[0.5, 0.25, 0.25]])
    with pytest.raises(TransferFailed, match="no report of round 1 is awaited"):
        lyon.report(report)
    hub.now(hub.desk.order, "evaluate", 1, {"lyon": "a" * 64})
    lyon.report(report)
    assert hub.desk.reports == {"lyon": report}
    lyon.trouble(Trouble(round=9, why="of a round that is over"))
    lyon.trouble(Trouble(round=1, why="disk full"))
    assert [(site, trouble.why) for site, trouble in hub.troubles] == [("lyon", "disk full")]
