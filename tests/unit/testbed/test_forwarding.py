import asyncio
import functools
import http.server
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from emulator.errors import Fell, WrongInput
from testbed.forwarding import Forwarder


class Page(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = self.path.encode() * 20_000  # larger than the buffers on the way
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's own name
        return


@contextmanager
def page() -> Iterator[int]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


async def fetched(forwarder: Forwarder, paths: list[str]) -> list[bytes]:
    address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(forwarder.serve(address.set_result))
    done, _ = await asyncio.wait([serving, address], return_when=asyncio.FIRST_COMPLETED)
    if serving in done:
        await serving
    async with httpx.AsyncClient(base_url=await address) as client:
        answers = await asyncio.gather(*(client.get(path) for path in paths))
    serving.cancel()
    return [answer.content for answer in answers]


def test_many_requests_at_once_come_through_whole() -> None:
    with page() as port:
        forwarder = Forwarder(functools.partial(socket.create_connection, ("127.0.0.1", port)), 0)
        paths = [f"/{n:02d}" for n in range(30)]
        assert asyncio.run(fetched(forwarder, paths)) == [path.encode() * 20_000 for path in paths]


def test_a_port_that_is_taken_is_named_with_what_to_do() -> None:
    with page() as port:
        forwarder = Forwarder(functools.partial(socket.create_connection, ("127.0.0.1", port)), port)
        with pytest.raises(WrongInput, match=rf"port {port} of 127\.0\.0\.1 is taken; choose another by --port"):
            asyncio.run(fetched(forwarder, []))


def test_a_page_that_does_not_answer_is_told_at_once() -> None:
    def refused() -> socket.socket:
        raise Fell("nobody listens there")

    with pytest.raises(Fell, match="nobody listens"):
        asyncio.run(fetched(Forwarder(refused, 0), []))
