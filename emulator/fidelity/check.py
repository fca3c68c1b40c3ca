"""Every link of a world that is up, measured and judged before anything is trained over it.

Pings go first, some sites side by side; then TCP transfers, those sites side by side that the router and what they
share easily carry together. What is out of bounds is measured again: a host that is busy with other things can only
make a good link look bad.
"""

import datetime
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import Any, TypeVar

from emulator.errors import Fell, WrongState
from emulator.fidelity import chance, links, load, pings, rates
from emulator.fidelity.asked import Asked, asked
from emulator.fidelity.links import Measured
from emulator.fidelity.queues import Way
from emulator.fidelity.rates import Rate, Server
from emulator.machines import Progress
from emulator.places import CONTROL_PORT, HUB_ADDRESS, PROBE_PORTS
from emulator.worlds.world import World

KEPT = "check.json"
_SIDE_BY_SIDE = 25  # 2,500 small packets a second each way: a tenth of what a user-mode router takes
_TRIES = 3
_WAYS: tuple[Way, Way] = ("down", "up")
T = TypeVar("T")


def check(world: World, progress: Progress) -> dict[str, Any]:
    """The document of `check --json`, which is kept with the world. Raises `WrongState` while a training runs."""
    _refuse_beside_a_training(world)
    everyone = [asked(world.topology, site) for site in world.topology.sites]
    with _Checker(world, progress) as checker:
        judged = checker.links(everyone)
    verdict = "ok" if all(link["verdict"] == "ok" for link in judged) else "out-of-bounds"
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    document = {"world": world.name, "verdict": verdict, "checked": now, "links": judged}
    (world.folder / KEPT).write_text(json.dumps(document, indent=1))
    return document


def kept(world: World) -> dict[str, Any]:
    """By site, the link of the last check; left out where something else is asked of it by now."""
    try:
        document = json.loads((world.folder / KEPT).read_text())
    except (OSError, ValueError):
        return {}
    now = {site.name: _figures(asked(world.topology, site)) for site in world.topology.sites}
    found = {link["site"]: {**link, "checked": document["checked"]} for link in document["links"]}
    return {name: link for name, link in found.items() if now.get(name) == _asked_of(link)}


def _figures(asked: Asked) -> tuple[float, ...]:
    return asked.rtt_s, asked.down.rate_bps, asked.up.rate_bps, asked.loss


def _asked_of(link: dict[str, Any]) -> tuple[float, ...]:
    return tuple(link[name]["asked"] for name in ("rtt_s", "down_bps", "up_bps", "loss"))


def _refuse_beside_a_training(world: World) -> None:
    with suppress(Fell):
        world.connect("hub", HUB_ADDRESS, CONTROL_PORT, timeout_s=1.0).close()
        raise WrongState(f"a training runs in world '{world.name}', and each would disturb the other; check before it")


class _Checker:
    """Measures in one world. A context manager: its servers and threads end with it."""

    def __init__(self, world: World, progress: Progress) -> None:
        self._world = world
        self._bounds = world.topology.fidelity
        self._progress = progress
        self._servers = [Server(world, port) for port in PROBE_PORTS]
        self._load = load.Load(load.router_pid(world.folder), self._read)
        self._open = ExitStack()

    def __enter__(self) -> "_Checker":
        self._hands = self._open.enter_context(ThreadPoolExecutor(_SIDE_BY_SIDE))
        for server in self._servers:
            self._open.enter_context(server)
        return self

    def __exit__(self, *_: object) -> None:
        self._hands.shutdown(wait=False, cancel_futures=True)
        self._open.close()

    def _read(self, path: str) -> str:
        return self._world.output("wan", ("cat", path))[1]

    def links(self, everyone: Sequence[Asked]) -> list[dict[str, Any]]:
        """Every link's figures and verdict, in the order given."""
        idle = dict(self._side_by_side("round trips", pings.idle, everyone))
        many = dict(self._side_by_side("losses", pings.many, everyone))
        found = dict(self._rates(everyone))
        measured = {one.site: Measured(idle[one.site], many[one.site], *found[one.site]) for one in everyone}
        return [self._again(one, measured[one.site]) for one in everyone]

    def _side_by_side(
        self, what: str, measure: Callable[[World, Asked], T], everyone: Sequence[Asked]
    ) -> Iterator[tuple[str, T]]:
        self._progress(what, 0, len(everyone))
        results = self._hands.map(lambda one: (one.site, measure(self._world, one)), everyone)
        for done, result in enumerate(results, 1):
            self._progress(what, done, len(everyone))
            yield result

    def _rates(self, everyone: Sequence[Asked]) -> Iterator[tuple[str, tuple[Rate, Rate]]]:
        done = 0
        self._progress("rates", done, len(everyone))
        for batch in rates.batches(everyone, self._narrowest_bps()):
            down, up = (self._transfers(batch, way) for way in _WAYS)
            done += len(batch)
            self._progress("rates", done, len(everyone))
            yield from ((one.site, (to, fro)) for one, to, fro in zip(batch, down, up, strict=True))

    def _narrowest_bps(self) -> int:
        topology = self._world.topology
        shared = [topology.hub.link, *(region.link for region in topology.regions)]
        return min(direction.rate_bps for link in shared for direction in (link.down, link.up))

    def _transfers(self, batch: Sequence[Asked], way: Way, longer: int = 1) -> list[Rate]:
        """One transfer each, at the same time, and how hard the router worked meanwhile. `longer`: times as long."""
        before = self._load.now()
        servers = self._servers[: len(batch)]
        found = list(self._hands.map(lambda server, one: server.measure(one, way, longer), servers, batch))
        meanwhile = load.between(before, self._load.now())
        return [rate.under(meanwhile) for rate in found]

    def _again(self, one: Asked, measured: Measured) -> dict[str, Any]:
        """Measures once more, by itself, what is out of bounds; the nearer of both counts."""
        for attempt in range(2, _TRIES + 1):
            if any(links.rtt_strays(one, measured.idle, self._bounds)):
                measured = replace(measured, idle=self._nearer_idle(one, measured.idle))
            for way in _WAYS:
                rate = measured.rate(way)
                if any(links.rate_strays(one, way, rate, self._bounds)) and not links.at_its_limit(rate):
                    nearer = self._nearer_rate(one, way, rate, attempt)
                    measured = replace(measured, down=nearer) if way == "down" else replace(measured, up=nearer)
        return _document(one, measured, links.strays(one, measured, self._bounds))

    def _nearer_idle(self, one: Asked, before: pings.Pings) -> pings.Pings:
        some = [found for found in (before, pings.idle(self._world, one)) if found.times_s]
        return min(some, key=lambda found: abs(links.rtt_s(one, found) - one.rtt_s), default=before)

    def _nearer_rate(self, one: Asked, way: Way, before: Rate, longer: int) -> Rate:
        wanted = links.direction_of(one, way).rate_bps
        return min((before, *self._transfers([one], way, longer)), key=lambda rate: abs(rate.bps - wanted))


def _document(one: Asked, measured: Measured, why: Iterable[str]) -> dict[str, Any]:
    reasons = list(why)
    idle, many = measured.idle, measured.many
    low, high = chance.interval(many.lost, many.sent, one.alike)
    rtt = {
        "asked": one.rtt_s,
        "measured": links.rtt_s(one, idle) if idle.times_s else None,
        "p99": idle.p99_s if idle.times_s else None,
        "samples": len(idle.times_s),
    }
    loss = {"asked": one.loss, "measured": many.lost / many.sent, "low": low, "high": high, "samples": many.sent}
    return {
        "site": one.site,
        "rtt_s": rtt,
        "down_bps": _rate(one, "down", measured.down),
        "up_bps": _rate(one, "up", measured.up),
        "loss": loss,
        "verdict": "out-of-bounds" if reasons else "ok",
        "why": reasons,
    }


def _rate(one: Asked, way: Way, rate: Rate) -> dict[str, Any]:
    """`judged_low` is false where losses keep TCP itself from filling the link."""
    direction = links.direction_of(one, way)
    return {
        "asked": direction.rate_bps,
        "measured": rate.bps,
        "flows": rate.flows,
        "judged_low": one.fillable(direction),
        "router": rate.router,
    }
