"""One PACS, both ways in at once."""

import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

from nodes.endpoints import Endpoint
from nodes.probe.capabilities import Capabilities, Web
from nodes.probe.line import Connect, Line

PATIENCE_S = 5.0
WITHIN_S = 20.0


def probe(
    endpoint: Endpoint, connect: Connect, patience_s: float = PATIENCE_S, within_s: float = WITHIN_S
) -> Capabilities:
    """What the PACS of an endpoint offers, over connections that `connect` makes.

    Each answer is waited for `patience_s`, all of them together `within_s`. A server that is silent or broken gives
    findings; nothing is raised for it. Nothing is left behind in the PACS.
    """
    from nodes.probe import dimse, web  # pynetdicom takes half a second to import

    started = time.monotonic()
    with Line(connect, patience_s, within_s) as line, ThreadPoolExecutor(2) as hands:
        spoken = None if endpoint.dimse_port is None else hands.submit(dimse.ask, line, endpoint)
        idle = None if endpoint.dicomweb is None else hands.submit(web.idle, line, endpoint)
        served = None if idle is None else _watched(web.ask(line, endpoint), idle)
        heard = None if spoken is None else spoken.result()
        notes = tuple(f"{endpoint.site}/pacs: {note}" for note in line.notes)
    return Capabilities(served, heard, time.monotonic() - started, notes)


def _watched(served: Web, idle: "Future[tuple[float | None, float | None]]") -> Web:
    closed_s, watched_s = idle.result()
    return replace(served, idle_close_s=closed_s, idle_watched_s=watched_s)
