"""`testbed ls`."""

import click

from testbed.output import document, people, table
from testbed.parameters import Command, json_option


@click.command(
    "ls",
    cls=Command,
    examples=(
        ("testbed ls", "all worlds, also those that broke"),
        ("testbed ls --json | jq -r .worlds[].name", "their names"),
    ),
)
@json_option
def command(json: bool) -> None:
    """List the worlds and their state."""
    from emulator.worlds import ls

    worlds = ls()
    if json:
        found = [{"name": w.name, "state": w.state, "sites": w.sites, "pid": w.pid} for w in worlds]
        document({"worlds": found})
        return
    if not worlds:
        people(json).print("no world is up; bring one up by: testbed up TOPOLOGY")
        return
    shown = table("world", "state", "sites", "init", left=2)
    for world in worlds:
        shown.add_row(world.name, world.state, str(world.sites), str(world.pid))
    people(json).print(shown)
