"""The worker's side of the hub's HTTP service. Every transfer goes on where it was cut, until its deadline."""

import json
import time
from collections.abc import Callable
from typing import TypeVar

from pydantic import BaseModel

from nodes.pull.parcels import Parcel
from trainer.config import HubPlace
from trainer.errors import TransferFailed, UpdateRefused
from trainer.messages import Order, Report, Trouble
from trainer.weights import sha256
from trainer.worker.calls import Answer, Body, Caller, CallFailed

_PAUSES_S = (0.0, 0.1, 0.2, 0.5, 1.0, 2.0)  # the first costs nothing: a kept connection may just have grown old
_OFFSET = "Upload-Offset"

Result = TypeVar("Result")


class HubClient:
    """Blocking. `source` binds connections to one address (outside a world, where all sites share one network).

    A call that finds no way to the hub tries again with growing pauses, and raises `TransferFailed` after `deadline_s`.
    """

    def __init__(self, hub: HubPlace, source: str | None, deadline_s: float) -> None:
        self._control = Caller(hub.address, hub.control_port, source)
        self._model = Caller(hub.address, hub.model_port, source)
        self._update = Caller(hub.address, hub.update_port, source)
        self._study = Caller(hub.address, hub.study_port, source)
        self._deadline_s = deadline_s

    def close(self) -> None:
        """Close all connections."""
        for caller in (self._control, self._model, self._update, self._study):
            caller.close()

    def next_order(self, after: int) -> Order:
        """Waits, for as long as it takes, for an order newer than number `after`."""
        path = f"/orders?after={after}"
        while True:
            answer = self._insist(lambda: self._control.call("GET", path))
            if answer.status == 200:
                return Order.model_validate_json(answer.body)
            _expect(path, answer, 204)

    def report(self, report: Report) -> None:
        """Sends what a model scored."""
        self._post("/reports", report)

    def trouble(self, trouble: Trouble) -> None:
        """Says why this worker can't go on with a round."""
        self._post("/troubles", trouble)

    def model(self, name: str) -> bytes:
        """The model with that SHA-256. Raises `TransferFailed` also where other bytes came."""
        data = bytearray()
        self._insist(lambda: self._fetch_rest(f"/models/{name}", data))
        if sha256(bytes(data)) != name:
            raise TransferFailed(f"model {name}: {len(data)} bytes of another SHA-256 came")
        return bytes(data)

    def update(self, number: int, data: bytes) -> None:
        """Brings the update of a round. Raises `UpdateRefused` where the hub would not have it."""
        path = f"/updates/{number}/{sha256(data)}"
        self._bring(self._update, path, len(data), lambda offset: data[offset:])

    def study(self, uid: str, parcel: Parcel) -> None:
        """Brings a study, for training at the hub. Raises `UpdateRefused` likewise."""
        path = f"/studies/{uid}/{parcel.name}"
        self._bring(self._study, path, parcel.size, lambda offset: list(parcel.after(offset)))

    def _bring(self, caller: Caller, path: str, size: int, after: Callable[[int], Body]) -> None:
        """Uploads what is `after` the offset that the hub has reached."""
        offset: int | None = None

        def bring() -> None:
            nonlocal offset
            # The first attempt begins at 0 without asking: a question costs a round trip.
            offset = 0 if offset is None else _arrived(caller, path)
            headers = {"Upload-Length": str(size), _OFFSET: str(offset)}
            answer = caller.call("PUT", path, after(offset), headers)
            if answer.status == 409:
                raise CallFailed("the hub has another part of it already")
            if answer.status in (413, 422):
                raise UpdateRefused(f"the hub refused what it was brought: {json.loads(answer.body)['detail']}")
            _expect(path, answer, 204)

        self._insist(bring, lambda: offset or 0)

    def _fetch_rest(self, path: str, data: bytearray) -> None:
        headers = {"Range": f"bytes={len(data)}-"} if data else {}
        expected = 206 if data else 200
        status, found, chunks = self._model.stream("GET", path, headers=headers)
        if status != expected:
            _expect(path, Answer(status, found, b"".join(chunks)), expected)
        for chunk in chunks:
            data += chunk

    def _post(self, path: str, message: BaseModel) -> None:
        body = message.model_dump_json().encode()
        headers = {"Content-Type": "application/json"}
        _expect(path, self._insist(lambda: self._control.call("POST", path, body, headers)), 204)

    def _insist(self, attempt: Callable[[], Result], reached: Callable[[], int] = lambda: 0) -> Result:
        """Until it succeeds. The deadline counts from when it last `reached` more than before."""
        best = 0
        deadline = time.monotonic() + self._deadline_s
        tries = 0
        while True:
            try:
                return attempt()
            except CallFailed as error:
                pause = _PAUSES_S[min(tries, len(_PAUSES_S) - 1)]
                tries += 1
                if (now_at := reached()) > best:
                    best, deadline = now_at, time.monotonic() + self._deadline_s
                if time.monotonic() + pause > deadline:
                    raise TransferFailed(f"no way to the hub, {tries} times: {error}") from error
                time.sleep(pause)


def _arrived(caller: Caller, path: str) -> int:
    answer = caller.call("GET", path)
    _expect(path, answer, 204)
    return int(answer.headers[_OFFSET])


def _expect(path: str, answer: Answer, status: int) -> None:
    if answer.status != status:
        said = answer.body[:200].decode(errors="replace")
        raise TransferFailed(f"{path}: the hub answered {answer.status} (expected {status}): {said}")
