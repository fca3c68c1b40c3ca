"""A port of this machine, on loopback only, that leads to somewhere else."""

import asyncio
import contextlib
import errno
import socket
from collections.abc import Callable

from emulator.errors import TestbedError, WrongInput
from testbed.output import complain

CHUNK = 65536
LOOPBACK = "127.0.0.1"


class Forwarder:
    """Carries TCP connections from `LOOPBACK`:`port` (0: a free one) to wherever `dial` connects to."""

    def __init__(self, dial: Callable[[], socket.socket], port: int) -> None:
        self._dial = dial
        self._port = port

    async def serve(self, told: Callable[[str], None]) -> None:
        """Serves until cancelled; `told` gets the address once. Raises `WrongInput` for a taken port."""
        first = await asyncio.to_thread(self._dial)  # a page that is not there is told now, not at the first click
        first.close()
        server = await self._listen()
        try:
            told(f"http://{LOOPBACK}:{server.sockets[0].getsockname()[1]}/")
            await asyncio.Event().wait()  # serve_forever would wait for open connections when it is cancelled
        finally:
            server.close()

    async def _listen(self) -> asyncio.Server:
        try:
            return await asyncio.start_server(self._carry, LOOPBACK, self._port)
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
            why = "taken" if error.errno == errno.EADDRINUSE else "not for ordinary users"
            advice = "choose another by --port, or leave it out for a free one"
            raise WrongInput(f"port {self._port} of {LOOPBACK} is {why}; {advice}") from None

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            inner = await asyncio.to_thread(self._dial)
        except (TestbedError, OSError) as error:
            complain(str(error))
            writer.close()
            return
        inner_reader, inner_writer = await asyncio.open_connection(sock=inner)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(_copy(reader, inner_writer))
                both.create_task(_copy(inner_reader, writer))
        finally:
            writer.close()
            inner_writer.close()


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    """Copies until the source ends, then tells the sink so. A peer that hangs up ends it and is no error."""
    with contextlib.suppress(OSError):
        while chunk := await source.read(CHUNK):
            sink.write(chunk)
            await sink.drain()
        sink.write_eof()
