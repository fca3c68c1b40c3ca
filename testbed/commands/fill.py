"""`testbed fill [WORLD]`."""

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from testbed import progress
from testbed.output import document, people, table
from testbed.parameters import Command, json_option, world_argument
from testbed.units import octets

if TYPE_CHECKING:
    from nodes.filling import Filled

FELL_SHORT = 1


@click.command(
    "fill",
    cls=Command,
    examples=(
        ("testbed fill", "every site of the only world whose studies wait in the warehouse"),
        ("testbed up my.yaml && testbed fill && testbed train", "the whole way, filling across the WAN included"),
    ),
)
@world_argument
@json_option
def command(world: str | None, json: bool) -> int:
    """Fill sites from the warehouse at the hub, across the WAN.

    Each site's worker fetches the site's studies from the warehouse by WADO-RS and stores them in the site's PACS by
    STOW-RS, or by C-STORE where that speaks DIMSE alone; all sites at once, over their links as they are. What is there
    is not brought again, so that a filling that was interrupted goes on where it stopped. Ends with exit code 1 where a
    site could not be filled.
    """
    from emulator.worlds import World
    from testbed.filling import fill_world

    with progress.shown() as report:
        found = fill_world(World.open(world), report)
    if json:
        document({"sites": [asdict(site) for site in found]})
    _show(found, json)
    return FELL_SHORT if any(site.why for site in found) else 0


def _show(found: "list[Filled]", json: bool) -> None:
    out = people(json)
    shown = table("site", "there", "brought", "bytes")
    for site in found:
        shown.add_row(site.site, str(site.there), str(site.brought), octets(site.bytes))
    out.print(shown)
    for site in found:
        if site.why:
            out.print(f"{site.site}: stopped: {site.why}", soft_wrap=True)
