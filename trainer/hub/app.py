"""The hub's HTTP service. Workers call it; it calls nobody.

control port   GET  /orders?after=N           long poll: the site's next order, or 204
               POST /reports, POST /troubles  what a model scored; why a worker can't go on
model port     GET  /models/SHA256            the model; `Range: bytes=N-` goes on where a cut transfer stopped
update port    GET  /updates/ROUND/SHA256     how much of an update has arrived (`Upload-Offset`)
               PUT  /updates/ROUND/SHA256     the update from `Upload-Offset` to its end (`Upload-Length` in all)
study port     GET, PUT /studies/UID/SHA256   likewise a study, where the hub trains
"""

import re
from collections.abc import Mapping
from typing import Annotated

from fastapi import FastAPI, Header, HTTPException, Query, Request, Response
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp

from trainer.errors import UpdateRefused
from trainer.hub.arrivals import Arrivals
from trainer.hub.desk import Desk, Incoming, Port
from trainer.hub.door import Door
from trainer.hub.studies import serve_studies
from trainer.messages import Report, Trouble

POLL_S = 25.0
_OFFSET = "Upload-Offset"
_RANGE = re.compile(r"bytes=(\d+)-")


def app(desk: Desk, ports: Mapping[int, Port], poll_s: float = POLL_S, arrivals: Arrivals | None = None) -> ASGIApp:
    """The service over this desk; `ports` says what each of its ports is for, `poll_s` how long a poll may wait.

    `arrivals` take studies, where the hub trains.
    """
    service = FastAPI(title="hub", openapi_url=None)
    _control(service, desk, poll_s)
    _models(service, desk)
    _updates(service, desk)
    if arrivals is not None:
        serve_studies(service, desk, arrivals)
    return Door(service, desk, ports)


def _site(request: Request) -> str:
    site: str = request.scope["site"]  # the door put it there
    return site


def _control(service: FastAPI, desk: Desk, poll_s: float) -> None:
    @service.get("/orders")
    async def next_order(request: Request, after: Annotated[int, Query(ge=0)] = 0) -> Response:
        """The site's order once it is newer than number `after`; 204 when there is none for a while."""
        order = await desk.wait_for_order(_site(request), after, poll_s)
        if order is None:
            return Response(status_code=204)
        return Response(order.model_dump_json(), media_type="application/json")

    @service.post("/reports", status_code=204)
    async def report(request: Request, report: Report) -> None:
        """What a model scored at the site; 409 where nobody asked."""
        if not desk.report(_site(request), report):
            raise HTTPException(409, f"no report of round {report.round} is awaited")

    @service.post("/troubles", status_code=204)
    async def trouble(request: Request, trouble: Trouble) -> None:
        """Why the site can't go on."""
        desk.trouble(_site(request), trouble)


def _models(service: FastAPI, desk: Desk) -> None:
    @service.get("/models/{sha256}")
    async def model(sha256: str, range_: Annotated[str, Header(alias="Range")] = "bytes=0-") -> Response:
        """The model, or its rest; 404 for any but the one that is handed out, 416 where nothing is left."""
        data = desk.models.get(sha256)
        if data is None:
            raise HTTPException(404, f"model {sha256} is not handed out now")
        asked = _RANGE.fullmatch(range_)
        start = int(asked[1]) if asked else 0
        if start >= len(data):
            raise HTTPException(416, f"the model has {len(data)} bytes")
        if start == 0:
            return Response(data, media_type="application/octet-stream")
        extent = {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"}
        return Response(data[start:], 206, extent, "application/octet-stream")


def _updates(service: FastAPI, desk: Desk) -> None:
    @service.get("/updates/{number}/{sha256}", status_code=204)
    async def arrived(request: Request, response: Response, number: int, sha256: str) -> None:
        """How much of an update is here."""
        _refuse_unasked(desk, _site(request), number)
        response.headers[_OFFSET] = str(len(desk.incoming(_site(request), sha256).data))

    @service.put("/updates/{number}/{sha256}", status_code=204)
    async def bring(
        request: Request,
        number: int,
        sha256: str,
        length: Annotated[int, Header(alias="Upload-Length", ge=1)],
        offset: Annotated[int, Header(alias=_OFFSET, ge=0)] = 0,
    ) -> None:
        """Takes an update from `offset` on; 409 with the offset to go on from, 410, 413 or 422 where it is refused."""
        site = _site(request)
        _refuse_unasked(desk, site, number)
        if length > desk.room:
            raise HTTPException(413, f"{length} bytes; the model's updates have at most {desk.room}")
        update = desk.incoming(site, sha256)
        if offset != len(update.data):
            raise HTTPException(409, "go on from the offset", {_OFFSET: str(len(update.data))})
        if await _gather(request, update, length):
            _refuse_unasked(desk, site, number)  # the round may have gone on meanwhile
            _accept(desk, site)
        elif update.bringer is request:
            desk.cut(site, update)


def _refuse_unasked(desk: Desk, site: str, number: int) -> None:
    if not desk.trains(site, number):
        raise HTTPException(410, f"no update of round {number} is awaited from {site}")


async def _gather(request: Request, update: Incoming, length: int) -> bool:
    """Takes what comes; True when all of it is there. A cut connection leaves what came for the next attempt."""
    update.bringer = request
    try:
        async for chunk in request.stream():
            if update.bringer is not request:  # the site has come again by another connection
                return False
            update.data += chunk
            if len(update.data) > length:
                update.data.clear()
                raise HTTPException(413, f"more than the {length} bytes that were announced")
    except ClientDisconnect:
        return False
    return len(update.data) == length


def _accept(desk: Desk, site: str) -> None:
    try:
        desk.accept(site)
    except UpdateRefused as error:
        raise HTTPException(422, str(error)) from error
