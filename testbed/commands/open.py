"""`testbed open [WORLD] PLACE`."""

import asyncio
import socket

import click

from emulator.errors import Fell
from testbed.completion import complete_places
from testbed.output import document, people
from testbed.parameters import Command, json_option

_HINT = "a PACS answers while it runs (testbed status), the hub while a run goes on"


@click.command(
    "open",
    cls=Command,
    examples=(
        ("testbed open fifty-sites lyon/pacs", "the web pages of that PACS, on a free port, until Ctrl-C"),
        ("testbed open lyon/pacs --port 8080", "on a port of choice"),
        ("testbed open hub", "the hub's service while a run is going on"),
    ),
)
@click.argument("words", nargs=-1, required=True, metavar="[WORLD] PLACE", shell_complete=complete_places)
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port on 127.0.0.1; 0 takes a free one.")
@json_option
def command(words: tuple[str, ...], port: int, json: bool) -> None:
    """Open a place's web page on a loopback port.

    The address is printed; it works on this machine only, until Ctrl-C.
    """
    from emulator.worlds import World
    from testbed.forwarding import Forwarder
    from testbed.pages import page

    if len(words) > 2:
        raise click.UsageError(f"open takes [WORLD] PLACE; found {len(words)} words: {' '.join(words)}")
    world = World.open(words[0] if len(words) == 2 else None)
    place = words[-1]
    there = page(world.topology, place)

    def dial() -> socket.socket:
        try:
            return world.connect(there.seen_from, there.address, there.port)
        except Fell as error:
            raise Fell(f"{place} does not answer at {there.address}:{there.port}: {error}; {_HINT}") from None

    forwarder = Forwarder(dial, port)

    def told(address: str) -> None:
        address = address.replace("http", there.scheme, 1)
        if json:
            document({"world": world.name, "place": place, "url": address})
        people(json).print(f"{place} of {world.name} is at {address} until Ctrl-C")

    asyncio.run(forwarder.serve(told))
