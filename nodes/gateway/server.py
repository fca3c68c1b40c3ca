"""Listening for callers."""

import asyncio
import signal
import ssl
from asyncio import StreamReader, StreamWriter, Task

from nodes.gateway import wire
from nodes.gateway.conversation import Conversation
from nodes.gateway.pace import TokenBucket
from nodes.gateway.settings import ServerTls, Settings

_WAITING = 1024  # callers who wait to be let in


class Server:
    """One gateway."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._bucket = TokenBucket(settings.rate_bps) if settings.rate_bps else None
        self._callers: set[Task[None]] = set()
        self._started_s = 0.0

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT. Raises OSError where the port is taken or a certificate can't be read."""
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, ended.set)
        self._started_s = loop.time()
        listening = await asyncio.start_server(
            self._accept,
            self._settings.host,
            self._settings.port,
            limit=wire.ROOM,
            backlog=_WAITING,
            ssl=_context(self._settings.tls) if self._settings.tls else None,
        )
        await ended.wait()
        listening.close()  # conversations are cancelled with the loop

    def _accept(self, reader: StreamReader, writer: StreamWriter) -> None:
        conversation = Conversation(self._settings, self._bucket, self._started_s, (reader, writer))
        task = asyncio.create_task(conversation.run())
        self._callers.add(task)
        task.add_done_callback(self._callers.discard)


def _context(tls: ServerTls) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls.certificate, tls.key)
    if tls.callers:
        context.load_verify_locations(tls.callers)
        context.verify_mode = ssl.CERT_REQUIRED
    return context
