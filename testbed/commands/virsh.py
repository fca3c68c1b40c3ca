"""`testbed virsh [WORLD] -- …`."""

import click

from emulator.errors import WrongInput
from testbed.commands.exec import SIGNALLED, PlaceCommand


@click.command(
    "virsh",
    cls=PlaceCommand,
    options_metavar="[OPTIONS]",
    examples=(
        ("testbed virsh fifty-sites -- list", "the virtual machines of a world"),
        ("testbed virsh -- domstats lyon", "WORLD may be left out where one world is up"),
    ),
)
@click.argument("words", nargs=-1, metavar="[WORLD] -- ARGUMENTS…")
@click.pass_context
def command(ctx: click.Context, words: tuple[str, ...]) -> int:
    """Speak to a world's own libvirt daemon by virsh.

    It ends with virsh's exit code. A world without virtual machines has no daemon.
    """
    from emulator.worlds import World

    if len(words) > 1:
        raise WrongInput(f"virsh needs a '--' before its arguments: testbed virsh [WORLD] -- {' '.join(words)}")
    behind = ctx.meta.get("testbed.behind") or ["list"]
    world = World.open(words[0] if words else None)
    code = world.run(*world.machines.virsh(behind)).wait()
    return code if code >= 0 else SIGNALLED - code
