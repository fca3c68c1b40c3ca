"""`testbed exec WORLD PLACE -- CMD…`."""

import click

from emulator.errors import WrongInput
from testbed.completion import complete_places
from testbed.parameters import Command

SIGNALLED = 128  # as shells count a command that a signal ended


class PlaceCommand(Command):
    """Keeps what stands behind `--` apart, which click would forget."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if "--" in args:
            split = args.index("--")
            ctx.meta["testbed.behind"] = args[split + 1 :]
            args = args[:split]
        return super().parse_args(ctx, args)


@click.command(
    "exec",
    cls=PlaceCommand,
    options_metavar="[OPTIONS]",
    examples=(
        (
            "testbed exec fifty-sites lyon/worker -- ping -c 3 10.0.0.2",
            "from a worker to the hub, across the WAN",
        ),
        (
            "testbed exec lyon/pacs -- curl -s localhost:8042/system",
            "WORLD may be left out where one world is up",
        ),
        ("testbed exec hub -- ss -tn", "connections at the hub"),
    ),
)
@click.argument("words", nargs=-1, metavar="[WORLD] PLACE -- CMD…", shell_complete=complete_places)
@click.pass_context
def command(ctx: click.Context, words: tuple[str, ...]) -> int:
    """Run a command at a place.

    It ends with that command's exit code. Places are SITE/pacs, SITE/worker, SITE (its gateway), hub and
    wan. The command sees this machine's files and that place's network.
    """
    from emulator.worlds import World

    name, place, argv = _split(words, ctx.meta.get("testbed.behind"))
    code = World.open(name).run(place, argv).wait()
    return code if code >= 0 else SIGNALLED - code


def _split(words: tuple[str, ...], behind: list[str] | None) -> tuple[str | None, str, list[str]]:
    """World, place and command. Without a `--` the first two words are world and place."""
    if behind is None:
        words, behind = words[:2], list(words[2:])
    if not behind or not 1 <= len(words) <= 2:
        found = " ".join(words) or "nothing"
        raise WrongInput(f"exec needs a place and a command: testbed exec [WORLD] PLACE -- CMD…; found '{found}'")
    return (words[0] if len(words) == 2 else None), words[-1], behind
