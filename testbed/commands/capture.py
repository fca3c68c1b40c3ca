"""`testbed capture [WORLD] PLACE -o FILE.pcapng`."""

import signal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from emulator.errors import Fell, WrongInput
from testbed.completion import complete_places
from testbed.output import document, people
from testbed.parameters import Command, json_option

if TYPE_CHECKING:
    from emulator.reach import Attached

_STOPPED = (0, 130, -signal.SIGINT)


@click.command(
    "capture",
    cls=Command,
    examples=(
        ("testbed capture lyon -o lyon.pcapng", "the gateway of lyon, all its cables, until Ctrl-C"),
        ("testbed capture fifty-sites lyon/worker -o pull.pcapng --for 30", "a worker's cable for half a minute"),
        ("testbed capture lyon/pacs -o dicom.pcapng --decode", "then tshark's summary: HTTP and DICOM messages"),
    ),
)
@click.argument("words", nargs=-1, required=True, metavar="[WORLD] PLACE", shell_complete=complete_places)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="The file to write, in pcapng: Wireshark opens it.",
)
@click.option(
    "--for",
    "for_s",
    type=click.FloatRange(min=0.1),
    envvar="TESTBED_CAPTURE_FOR",
    help="Seconds to capture; without it, until Ctrl-C.",
)
@click.option("--decode", is_flag=True, help="Afterwards print what is in it: protocols, connections, HTTP, DICOM.")
@json_option
def command(words: tuple[str, ...], output: Path, for_s: float | None, decode: bool, json: bool) -> None:
    """Capture the packets of a place.

    Every cable of the place is captured, each under its own name: at a site's gateway the link to the WAN
    and the LAN's cables. `wan` is the router's port, where everything passes twice: in and out.
    """
    from emulator import capture
    from emulator.worlds import World
    from testbed.decoding import decoded

    if len(words) > 2:
        raise click.UsageError(f"capture takes [WORLD] PLACE; found {len(words)} words: {' '.join(words)}")
    if output.exists():
        raise WrongInput(f"--output: '{output}' is there already; give another name, or remove it")
    if not output.absolute().parent.is_dir():
        raise WrongInput(f"--output: there is no folder '{output.absolute().parent}'; make it, or give another name")
    world, place = World.open(words[0] if len(words) == 2 else None), words[-1]
    running = capture.start(world, place, output.absolute(), for_s)
    until = f"for {for_s:g} s" if for_s is not None else "until Ctrl-C"
    people(json=True).print(f"capturing {place} of {world.name} into {output}, {until}")
    code = _until_the_end(running)
    if code not in _STOPPED or not output.exists():
        raise Fell(f"dumpcap ended with exit code {code} and captured nothing; is there room for {output}?")
    if json:
        document({"world": world.name, "place": place, "file": str(output), "bytes": output.stat().st_size})
    if decode:
        people(json).print(decoded(output))


def _until_the_end(running: "Attached") -> int:
    """Ctrl-C is how a capture ends well: dumpcap then writes what it has and closes the file."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    for number in before:
        signal.signal(number, lambda _number, _frame: running.signal(signal.SIGINT))
    try:
        return running.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
