"""The hub's door: who asks is told by the address, what for by the port; bodies are counted as they pass."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from trainer.hub.desk import Desk, Port

_PORT_OF: tuple[tuple[str, Port], ...] = (
    ("/models/", "model"),
    ("/updates/", "update"),
    ("/studies/", "studies"),
)


def _purpose(path: str) -> Port:
    return next((port for prefix, port in _PORT_OF if path.startswith(prefix)), "control")


class Door:
    """Lets known sites through to `app`, each path on its own port only. `ports` maps port numbers to purposes."""

    def __init__(self, app: ASGIApp, desk: Desk, ports: Mapping[int, Port]) -> None:
        self._app = app
        self._desk = desk
        self._ports = dict(ports)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        site = self._desk.sites.get(scope["client"][0])
        purpose = self._ports.get(scope["server"][1])
        if site is None or purpose is None:
            await _refuse(403, f"{scope['client'][0]} is not the worker of any site", scope, receive, send)
        elif _purpose(scope["path"]) != purpose:
            await _refuse(404, f"{scope['path']} is not served on the {purpose} port", scope, receive, send)
        else:
            scope["site"] = site
            self._desk.called(site, purpose, scope["client"], _attempt(scope))
            await self._app(scope, *self._counted(site, purpose, receive, send))

    def _counted(self, site: str, purpose: Port, receive: Receive, send: Send) -> tuple[Receive, Send]:
        async def counted_receive() -> Message:
            message = await receive()
            self._desk.count(site, purpose, 0, _body(message))
            return message

        async def counted_send(message: Message) -> None:
            self._desk.count(site, purpose, _body(message), 0)
            await send(message)

        return counted_receive, counted_send


def _attempt(scope: Scope) -> int:
    """What the caller says of its attempts; whoever says nonsense is on its first."""
    said = next((value for name, value in scope["headers"] if name == b"attempt"), b"1")
    return int(said) if said.isdigit() and len(said) < 10 else 1


def _body(message: Mapping[str, Any]) -> int:
    return len(message.get("body", b""))


async def _refuse(status: int, why: str, scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse(why, status)(scope, receive, send)
