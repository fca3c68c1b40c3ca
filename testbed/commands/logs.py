"""`testbed logs [WORLD] SITE`."""

import click

from testbed.completion import complete_sites
from testbed.parameters import Command, world_and_site


@click.command("logs", cls=Command, examples=(("testbed logs fifty-sites lyon", "the last lines of that PACS"),))
@click.argument("words", nargs=-1, metavar="[WORLD] SITE", shell_complete=complete_sites)
def command(words: tuple[str, ...]) -> None:
    """Print the end of what a site's PACS has said, whatever it runs on."""
    from emulator.worlds import World

    world, site = world_and_site(words)
    click.echo(World.open(world).machines.log(site))
