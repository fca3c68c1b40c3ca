"""Plays the links that vary: tells the router each change at its moment. Started as `python -I -S player.py FOLDER`.

A first process does nothing but start the one that plays, again and again should it end. Who plays reads everything
from the world's folder and the clock, so it goes on at the right place. It takes requests at a socket, one a
connection, and answers when the router has what the request asked for:

    {"forward_s": 12.5}     the links' clock jumps ahead, as the emulated clock does over computing
    {}                      look again at what was changed by hand
"""

import contextlib
import json
import os
import socket
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from emulator import events, lanes, live, score, variation, wan
from emulator.errors import TestbedError
from emulator.linkclock import LinkClock
from emulator.reach import Agent
from emulator.topology.resolved import Link
from emulator.wan.router import Router

SOCKET = "player.sock"
_REQUEST_BYTES = 4096
_LONGEST_S = 3600.0
_PAUSE_S = 0.5  # before another try, where the router or the player failed


class Player:
    """One world's player."""

    def __init__(self, folder: Path, listener: socket.socket) -> None:
        self._folder = folder
        self._listener = listener
        self._score = score.read(folder)
        self._clock = LinkClock.read(folder)
        self._router = Router(folder, Agent(folder), wan.choose(self._score.wan))
        self._told: dict[str, list[str]] = {}  # what the router was told last, by site and way
        self._was: dict[str, Link] = {}

    def play(self) -> None:
        """For ever. Every refusal of the router is logged, and tried again."""
        while True:
            failed = self._tell_router()
            wait_s = _PAUSE_S if failed else self._until_next()
            self._hear(min(wait_s, _LONGEST_S))

    def _tell_router(self) -> str | None:
        """Send what differs from what the router was told last; its refusal."""
        now_s = self._clock.now()
        changes = live.Live.read(self._folder).changes()
        links = {
            site: variation.at(part.link, self._score.traces, now_s, changes.get(site, variation.UNCHANGED))
            for site, part in self._score.parts.items()
        }
        told = {
            f"{site}/{way}": lines
            for site, link in links.items()
            for way, lines in lanes.lines(self._score.parts[site].lanes, link).items()
        }
        fresh = [line for lane, lines in told.items() for line in lines if line not in self._told.get(lane, ())]
        if not fresh:
            return None
        try:
            self._router.tc(fresh)
        except (TestbedError, OSError) as error:
            self._told = {}
            events.write(self._folder, "links could not vary", clock_s=round(now_s, 3), error=str(error))
            return str(error)
        self._told = told
        self._log(now_s, links)
        return None

    def _log(self, now_s: float, links: Mapping[str, Link]) -> None:
        """What is other than before, site by site."""
        sites = {site: _differences(self._was.get(site), link) for site, link in links.items()}
        self._was = dict(links)
        if other := {site: found for site, found in sites.items() if found}:
            events.write(self._folder, "links varied", clock_s=round(now_s, 3), sites=other)

    def _until_next(self) -> float:
        now_s = self._clock.now()
        moments = (variation.next_after(part.link, self._score.traces, now_s) for part in self._score.parts.values())
        return max(0.0, min(moments) - now_s)

    def _hear(self, within_s: float) -> None:
        """Wait for a request so long, and do it."""
        self._listener.settimeout(max(within_s, 1e-4))
        try:
            asker, _ = self._listener.accept()
        except TimeoutError:
            return
        with asker, contextlib.suppress(OSError):  # an asker that has gone, or is silent, is no business of ours
            asker.settimeout(_PAUSE_S)
            asker.send(json.dumps(self._obey(asker.recv(_REQUEST_BYTES))).encode())

    def _obey(self, request: bytes) -> dict[str, Any]:
        try:
            by_s = float(json.loads(request).get("forward_s", 0.0))
        except (ValueError, AttributeError, TypeError):
            return {"error": "expected {} or {'forward_s': seconds}"}
        if not 0 <= by_s < float("inf"):
            return {"error": "the clock never runs back"}
        if by_s:
            self._clock = self._clock.forward(by_s).write(self._folder)
        else:
            self._told = {}
        failed = self._tell_router()
        return {"error": failed} if failed else {"clock_s": self._clock.now()}


def _differences(before: Link | None, link: Link) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for way in variation.WAYS:
        now = asdict(getattr(link, way))
        was = asdict(getattr(before, way)) if before is not None else {}
        if other := {name: value for name, value in now.items() if name not in was or was[name] != value}:
            found[way] = other
    return found


def _listen(folder: Path) -> socket.socket:
    """By a relative path, of at most 108 bytes."""
    os.chdir(folder)
    Path(SOCKET).unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(SOCKET)
    Path(SOCKET).chmod(0o600)
    listener.listen(16)
    return listener


def main() -> None:
    folder = Path(sys.argv[1])
    listener = _listen(folder)
    while True:
        child = os.fork()
        if child == 0:
            Player(folder, listener).play()
        _, status = os.waitpid(child, 0)
        events.write(folder, "player ended", status=status)
        time.sleep(_PAUSE_S)


if __name__ == "__main__":
    main()
