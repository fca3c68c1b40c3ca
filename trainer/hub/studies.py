"""The part of the hub's HTTP service that takes studies, where the hub trains: each goes on where it was cut."""

import asyncio
import re
from typing import Annotated

from fastapi import FastAPI, Header, HTTPException, Request, Response
from starlette.requests import ClientDisconnect

from trainer.errors import UpdateRefused
from trainer.hub.arrivals import Arrivals
from trainer.hub.desk import Desk

_OFFSET = "Upload-Offset"
_UID = re.compile(r"[0-9.]{1,64}")
_NAME = re.compile(r"[0-9a-f]{64}")


def serve_studies(service: FastAPI, desk: Desk, arrivals: Arrivals) -> None:
    """Adds its two requests."""
    bringers: dict[tuple[str, str], Request] = {}

    @service.get("/studies/{study}/{name}", status_code=204)
    async def arrived(request: Request, response: Response, study: str, name: str) -> None:
        """How much of a study is here."""
        site = _awaited(desk, request, study, name)
        response.headers[_OFFSET] = str(await asyncio.to_thread(arrivals.arrived, site, study, name))

    @service.put("/studies/{study}/{name}", status_code=204)
    async def bring(
        request: Request,
        study: str,
        name: str,
        length: Annotated[int, Header(alias="Upload-Length", ge=1)],
        offset: Annotated[int, Header(alias=_OFFSET, ge=0)] = 0,
    ) -> None:
        """Takes a study from `offset` on; 409 with the offset to go on from, 410, 413 or 422 where it is refused."""
        site = _awaited(desk, request, study, name)
        bringers[site, study] = request  # takes over from an earlier connection before what that brought is measured
        here = await asyncio.to_thread(arrivals.arrived, site, study, name)
        if offset != here or bringers[site, study] is not request:
            raise HTTPException(409, "go on from the offset", {_OFFSET: str(here)})
        try:
            async for chunk in request.stream():
                if bringers[site, study] is not request:
                    return
                here += len(chunk)
                if here > length:
                    raise HTTPException(413, f"more than the {length} bytes that were announced")
                arrivals.append(site, study, name, chunk)
        except ClientDisconnect:
            return
        if here == length:
            await _settled(arrivals, site, study, name)


def _awaited(desk: Desk, request: Request, study: str, name: str) -> str:
    """The site, where its studies are awaited."""
    site: str = request.scope["site"]  # the door put it there
    if not desk.sends(site):
        raise HTTPException(410, f"no study is awaited from {site}")
    if not _UID.fullmatch(study) or not _NAME.fullmatch(name):
        raise HTTPException(422, f"/studies/{study}/{name} does not name a study by its UID and a SHA-256")
    return site


async def _settled(arrivals: Arrivals, site: str, study: str, name: str) -> None:
    try:
        await asyncio.to_thread(arrivals.settle, site, study, name)
    except UpdateRefused as error:
        raise HTTPException(422, str(error)) from error
