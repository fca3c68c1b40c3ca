"""Toxiproxy's HTTP interface (version 2), in the testbed's words. Nothing is kept here: the server knows its toxics.

The hub is four ports and so four proxies; a toxic on it is on all of them or on none.
"""

import contextlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, get_args

import httpx

from emulator.errors import Fell, WrongInput, WrongState
from emulator.topology import resolved
from emulator.topology.resolved import DownToxic, Site, StreamToxic, Target, Toxic
from emulator.toxics.server import API_ADDRESS, API_PORT, Proxy, all_proxies, proxies

_ANSWER_S = 30.0

Body = dict[str, Any]


class _Field(NamedTuple):
    """One attribute of a toxic: Toxiproxy's name, ours, and how many of its units make one of ours."""

    theirs: str
    ours: str
    per_unit: float = 1


_MILLISECONDS, _MICROSECONDS, _KILOBYTES_A_SECOND = 1e3, 1e6, 1 / 8000
_FIELDS: Mapping[str, tuple[_Field, ...]] = {
    "latency": (_Field("latency", "latency_s", _MILLISECONDS), _Field("jitter", "jitter_s", _MILLISECONDS)),
    "bandwidth": (_Field("rate", "rate_bps", _KILOBYTES_A_SECOND),),
    "slow_close": (_Field("delay", "delay_s", _MILLISECONDS),),
    "timeout": (_Field("timeout", "timeout_s", _MILLISECONDS),),
    "reset_peer": (_Field("timeout", "timeout_s", _MILLISECONDS),),
    "slicer": (
        _Field("average_size", "average_bytes"),
        _Field("size_variation", "variation_bytes"),
        _Field("delay", "delay_s", _MICROSECONDS),
    ),
    "limit_data": (_Field("bytes", "limit_bytes"),),
}
_KINDS: Mapping[str, type[StreamToxic]] = {kind.toxic: kind for kind in get_args(resolved.StreamToxic)}


def encode(toxic: StreamToxic) -> Body:
    """What Toxiproxy is told: whole milliseconds, kilobytes a second, bytes, and microseconds."""
    attributes = {field.theirs: round(getattr(toxic, field.ours) * field.per_unit) for field in _FIELDS[toxic.toxic]}
    return {
        "name": _name(toxic),
        "type": toxic.toxic,
        "stream": toxic.stream,
        "toxicity": toxic.toxicity,
        "attributes": attributes,
    }


def decode(on: Target, told: Mapping[str, Any]) -> StreamToxic:
    """A toxic as the server tells it."""
    kind = told["type"]
    values = {field.ours: told["attributes"][field.theirs] / field.per_unit for field in _FIELDS[kind]}
    whole = {ours: round(value) if ours.endswith(("_bps", "_bytes")) else value for ours, value in values.items()}
    return _KINDS[kind](on=on, stream=told["stream"], toxicity=float(told["toxicity"]), **whole)


def _name(toxic: StreamToxic) -> str:
    return f"{toxic.toxic}_{toxic.stream}"


def key(toxic: Toxic) -> tuple[str, ...]:
    """What a site has at most one of; toxics with the same key are the same fault with other figures."""
    return (toxic.on, toxic.toxic) if isinstance(toxic, DownToxic) else (toxic.on, toxic.toxic, toxic.stream)


@dataclass(frozen=True)
class Differences:
    """What leads from some toxics to others, each toxic by itself."""

    remove: tuple[Toxic, ...]
    change: tuple[tuple[Toxic, Toxic], ...]  # from, to
    add: tuple[Toxic, ...]


def differences(present: Sequence[Toxic], wanted: Sequence[Toxic]) -> Differences:
    """The fewest steps that lead from `present` to `wanted`."""
    old, new = ({key(toxic): toxic for toxic in toxics} for toxics in (present, wanted))
    return Differences(
        remove=tuple(toxic for name, toxic in old.items() if name not in new),
        change=tuple((old[name], toxic) for name, toxic in new.items() if name in old and old[name] != toxic),
        add=tuple(toxic for name, toxic in new.items() if name not in old),
    )


class Toxiproxy:
    """The server of a site, over a transport that comes out at the site's gateway."""

    def __init__(self, site: Site, transport: httpx.BaseTransport) -> None:
        self._site = site
        self._http = httpx.Client(
            base_url=f"http://{API_ADDRESS}:{API_PORT}", transport=transport, timeout=_ANSWER_S, trust_env=False
        )

    def present(self) -> tuple[Toxic, ...]:
        """The toxics that are on. Raises `Fell` where the server doesn't answer or has not all its proxies."""
        told = self._proxies()
        toxics: list[Toxic] = []
        for on in get_args(Target):
            first = told[proxies(self._site, on)[0].name]  # what one proxy of a service has, all have
            toxics += [decode(on, toxic) for toxic in first["toxics"]]
            toxics += [] if first["enabled"] else [DownToxic(on=on)]
        return tuple(toxics)

    def add(self, toxic: Toxic) -> None:
        """Put a toxic on: on all ports of its service, or on none. Raises `WrongState` where it is on already."""
        if any(key(toxic) == key(there) for there in self.present()):
            raise WrongState(f"{_told(toxic, self._site)} is on already; take it off first")
        self._each(toxic.on, lambda proxy: self._put_on(proxy, toxic), lambda proxy: self._take_off(proxy, toxic))

    def remove(self, toxic: Toxic) -> None:
        """Take a toxic off, whatever its figures. Raises `WrongState` where it is not on."""
        same = [there for there in self.present() if key(there) == key(toxic)]
        if not same:
            raise WrongState(f"{_told(toxic, self._site)} is not on")
        self._each(toxic.on, lambda proxy: self._take_off(proxy, toxic), lambda proxy: self._put_on(proxy, same[0]))

    def change(self, before: Toxic, after: Toxic) -> None:
        """Give a toxic that is on other figures, while connections stay open."""
        self._each(after.on, lambda proxy: self._alter(proxy, after), lambda proxy: self._alter(proxy, before))

    def turn(self, steps: Differences) -> None:
        """Make differences, one after another."""
        for toxic in steps.remove:
            self.remove(toxic)
        for before, after in steps.change:
            self.change(before, after)
        for toxic in steps.add:
            self.add(toxic)

    def _each(self, on: Target, do: Callable[[Proxy], None], undo: Callable[[Proxy], None]) -> None:
        """Do it to every proxy of a service; when one fails, undo it at those before."""
        done: list[Proxy] = []
        try:
            for proxy in proxies(self._site, on):
                do(proxy)
                done.append(proxy)
        except BaseException:
            for proxy in done:
                with contextlib.suppress(Fell, WrongInput):  # the first error is the one to tell
                    undo(proxy)
            raise

    def _put_on(self, proxy: Proxy, toxic: Toxic) -> None:
        if isinstance(toxic, DownToxic):
            self._ask("PATCH", f"/proxies/{proxy.name}", {"enabled": False})
        else:
            self._ask("POST", f"/proxies/{proxy.name}/toxics", encode(toxic))

    def _take_off(self, proxy: Proxy, toxic: Toxic) -> None:
        if isinstance(toxic, DownToxic):
            self._ask("PATCH", f"/proxies/{proxy.name}", {"enabled": True})
        else:
            self._ask("DELETE", f"/proxies/{proxy.name}/toxics/{_name(toxic)}")

    def _alter(self, proxy: Proxy, toxic: Toxic) -> None:
        if not isinstance(toxic, DownToxic):  # which has no figures
            self._ask("PATCH", f"/proxies/{proxy.name}/toxics/{_name(toxic)}", encode(toxic))

    def _proxies(self) -> Mapping[str, Body]:
        told: Mapping[str, Body] = self._ask("GET", "/proxies").json()
        missing: Collection[str] = {proxy.name for proxy in all_proxies(self._site)} - told.keys()
        if missing:
            raise Fell(f"Toxiproxy at {self._site.name} could not open its proxies {', '.join(sorted(missing))}")
        return told

    def _ask(self, method: str, path: str, body: Body | None = None) -> httpx.Response:
        try:
            answer = self._http.request(method, path, json=body)
        except httpx.HTTPError as error:
            raise Fell(f"Toxiproxy at {self._site.name} does not answer: {error}") from error
        if answer.status_code >= httpx.codes.BAD_REQUEST:
            raise WrongInput(f"Toxiproxy at {self._site.name} refused {method} {path}: {answer.text.strip()}")
        return answer


def _told(toxic: Toxic, site: Site) -> str:
    return f"a toxic '{toxic.toxic}' on '{toxic.on}' of site '{site.name}'"
