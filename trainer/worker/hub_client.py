"""The worker's side of the hub's HTTP service. Every transfer goes on where it was cut, until its deadline."""

import json
import math
import time
from collections.abc import Callable
from typing import TypeVar

import numpy as np
from pydantic import BaseModel

from nodes.pull.parcels import Parcel
from trainer.config import HubPlace
from trainer.errors import TransferFailed, UpdateRefused
from trainer.messages import Order, Report, Trouble
from trainer.weights import sha256
from trainer.worker.calls import Answer, Body, Caller, CallFailed

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 5.0
_OFFSET = "Upload-Offset"
_ATTEMPT = "Attempt"

Result = TypeVar("Result")


class HubClient:
    """Blocking. `source` binds connections to one address (outside a world, where all sites share one network).

    A call that finds no way to the hub tries again after pauses that double up to a bound, each cut to between a half
    and the whole of it by `luck`, so that sites which lost the hub together do not come back together. It raises
    `TransferFailed` after `deadline_s`; only an order is waited for without end.
    """

    def __init__(self, hub: HubPlace, source: str | None, deadline_s: float, luck: np.random.Generator) -> None:
        self._luck = luck
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
            answer = self._insist(lambda tries: self._control.call("GET", path, headers=_said(tries)), math.inf)
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
        self._insist(lambda tries: self._fetch_rest(f"/models/{name}", data, tries))
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
        offset = 0

        def bring(tries: int) -> None:
            nonlocal offset
            # The first attempt begins at 0 without asking: a question costs a round trip.
            offset = _arrived(caller, path) if tries else 0
            headers = {"Upload-Length": str(size), _OFFSET: str(offset), **_said(tries)}
            answer = caller.call("PUT", path, after(offset), headers)
            if answer.status == 409:
                raise CallFailed("the hub has another part of it already")
            if answer.status in (413, 422):
                raise UpdateRefused(f"the hub refused what it was brought: {json.loads(answer.body)['detail']}")
            _expect(path, answer, 204)

        self._insist(bring, reached=lambda: offset)

    def _fetch_rest(self, path: str, data: bytearray, tries: int) -> None:
        headers = _said(tries) | ({"Range": f"bytes={len(data)}-"} if data else {})
        expected = 206 if data else 200
        status, found, chunks = self._model.stream("GET", path, headers=headers)
        if status != expected:
            _expect(path, Answer(status, found, b"".join(chunks)), expected)
        for chunk in chunks:
            data += chunk

    def _post(self, path: str, message: BaseModel) -> None:
        body = message.model_dump_json().encode()
        headers = {"Content-Type": "application/json"}
        answer = self._insist(lambda tries: self._control.call("POST", path, body, headers | _said(tries)))
        _expect(path, answer, 204)

    def _insist(
        self,
        attempt: Callable[[int], Result],
        deadline_s: float | None = None,
        reached: Callable[[], int] = lambda: 0,
    ) -> Result:
        """Calls `attempt` with the number of those before it, until one gets through. The deadline counts from when it
        last `reached` more than before.
        """
        within_s, best = (self._deadline_s if deadline_s is None else deadline_s), 0
        deadline = time.monotonic() + within_s
        tries = 0
        while True:
            try:
                return attempt(tries)
            except CallFailed as error:
                tries += 1
                if (now_at := reached()) > best:
                    best, deadline = now_at, time.monotonic() + within_s
                pause = pause_s(tries, float(self._luck.random()))
                if time.monotonic() + pause > deadline:
                    raise TransferFailed(f"no way to the hub, {tries} times: {error}") from error
                time.sleep(pause)


def _arrived(caller: Caller, path: str) -> int:
    answer = caller.call("GET", path)
    _expect(path, answer, 204)
    return int(answer.headers[_OFFSET])


def pause_s(tries: int, luck: float) -> float:
    """How long to wait after so many attempts in a row that failed (s); `luck` is from 0 to 1.

    After the first not at all: a connection that was kept may just have grown old.
    """
    if tries == 1:
        return 0.0
    return min(_FIRST_PAUSE_S * 2.0 ** min(tries - 2, 16), _LONGEST_PAUSE_S) * (0.5 + 0.5 * luck)


def _said(tries: int) -> dict[str, str]:
    """Tells the hub which attempt this is, from the second on: the record has it then."""
    return {_ATTEMPT: str(tries + 1)} if tries else {}


def _expect(path: str, answer: Answer, status: int) -> None:
    if answer.status != status:
        said = answer.body[:200].decode(errors="replace")
        raise TransferFailed(f"{path}: the hub answered {answer.status} (expected {status}): {said}")
