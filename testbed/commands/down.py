"""`testbed down [WORLD]`."""

import click

from emulator.errors import WrongInput, WrongState
from testbed.output import document, people
from testbed.parameters import Command, json_option, world_argument


@click.command(
    "down",
    cls=Command,
    examples=(
        ("testbed down", "the only world that is up"),
        ("testbed down fifty-sites", "that one"),
        ("testbed down --all", "all of them, also those that broke"),
    ),
)
@world_argument
@click.option("--all", "everything", is_flag=True, envvar="TESTBED_DOWN_ALL", help="Take every world down.")
@json_option
def command(world: str | None, everything: bool, json: bool) -> None:
    """Take a world away, completely.

    Processes, interfaces and mounts are gone afterwards; runs and baked cohorts stay. Where nothing is
    up, nothing is done, and that is fine.
    """
    names = _chosen(world, everything)
    from emulator.worlds import World

    for name in names:
        World.down(name)
        people(json).print(f"{name} is down")
    if not names:
        people(json).print(f"{world} is not up; nothing to do" if world else "no world is up; nothing to do")
    if json:
        document({"down": names})


def _chosen(world: str | None, everything: bool) -> list[str]:
    from emulator.worlds import ls

    present = [entry.name for entry in ls()]
    if world and everything:
        raise WrongInput(f"down takes a world or --all, not both; found '{world}' and --all")
    if world:
        return [name for name in present if name == world]
    if len(present) > 1 and not everything:
        raise WrongState(f"{len(present)} worlds are there: {', '.join(present)}; name one, or say --all")
    return present
