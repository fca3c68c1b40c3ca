"""`testbed machine [WORLD] SITE VERB`."""

import click

from emulator.errors import WrongInput
from emulator.machines.verbs import VERBS
from testbed.completion import complete_sites
from testbed.parameters import Command


@click.command(
    "machine",
    cls=Command,
    examples=(
        ("testbed machine fifty-sites lyon power-cut", "as if its plug were pulled; `testbed up` starts it again"),
        ("testbed machine lyon snapshot", "keep a virtual machine's memory and disk as they are now"),
        ("testbed machine lyon roll-back", "and go back to them"),
    ),
)
@click.argument(
    "words",
    nargs=-1,
    metavar=f"[WORLD] SITE {{{'|'.join(VERBS)}}}",
    shell_complete=complete_sites,
)
def command(words: tuple[str, ...]) -> None:
    """Do something to the machine of a site's PACS.

    A virtual machine can do all of it. Of a namespace, `pause` and `resume` hold and free its processes, `crash`
    and `power-cut` kill them, `reboot` starts them anew; it keeps no snapshots.
    """
    from emulator.worlds import World

    if not 2 <= len(words) <= 3 or words[-1] not in VERBS:
        found = " ".join(words) or "nothing"
        raise WrongInput(f"machine needs a site and one of {', '.join(VERBS)}; found '{found}'")
    world = World.open(words[0] if len(words) == 3 else None)
    world.machines.do(words[-2], next(verb for verb in VERBS if verb == words[-1]))
    click.echo(f"{words[-2]}: {words[-1]} done")
