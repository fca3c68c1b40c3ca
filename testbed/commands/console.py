"""`testbed console [WORLD] SITE`."""

import click

from testbed.completion import complete_sites
from testbed.parameters import Command, world_and_site


@click.command(
    "console", cls=Command, examples=(("testbed console fifty-sites lyon", "what the kernel of that guest has said"),)
)
@click.argument("words", nargs=-1, metavar="[WORLD] SITE", shell_complete=complete_sites)
def command(words: tuple[str, ...]) -> None:
    """Print the end of what a virtual machine's console has said: its kernel and its init."""
    from emulator.worlds import World

    world, site = world_and_site(words)
    click.echo(World.open(world).machines.console(site))
