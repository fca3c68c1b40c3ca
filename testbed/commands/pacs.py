"""`testbed pacs [WORLD] [SITE]`."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import click
from rich.text import Text

from emulator.errors import WrongInput
from testbed import progress
from testbed.completion import complete_sites
from testbed.output import document, people, table
from testbed.parameters import Command, json_option
from testbed.units import counted

if TYPE_CHECKING:
    from rich.table import Table

    from emulator.topology import Site
    from emulator.worlds import World
    from nodes.probe import Capabilities
    from testbed.matrix import Row

SILENT = 1
_WIDTH = 120  # characters in all, where nobody says how wide the screen is
_WIDEST = 27  # characters of a column: lists of keys go over several lines
_STYLES = {"yes": "green", "no": "yellow"}


@click.command(
    "pacs",
    cls=Command,
    examples=(
        ("testbed pacs", "every kind of PACS in the only world, side by side"),
        ("testbed pacs lyon", "one site's"),
        ("testbed pacs --json | jq '.sites[] | {site, page: .capabilities.web.qido.page}'", "for a program"),
    ),
)
@click.argument("words", nargs=-1, metavar="[WORLD] [SITE]", shell_complete=complete_sites)
@json_option
def command(words: tuple[str, ...], json: bool) -> int:
    """Show what each PACS offers, by asking it now.

    Services, transfer syntaxes, query keys, paging, limits, habits: found out from each site's worker over HTTP and
    DIMSE, whatever the topology declares. Nothing is stored in a PACS, and nothing changed. Sites whose PACS are of
    one profile and were found alike share a column; what is the same for all comes first, and then the differences,
    some columns at a time; '–' is what could not be found out. Ends with exit code 1 where a
    PACS does not answer at all. Answers of a whole world are kept with it, and with the runs that start after.
    """
    from testbed import probing

    world, sites = _chosen(words)
    step = f"probing {counted(len(sites), 'PACS')}" if len(sites) == 1 else f"probing {len(sites)} PACS"
    with progress.shown() as report:
        found = probing.probed(world, sites, lambda done: report(step, done, len(sites)))
    told = probing.told(world, found)
    probing.keep(world, told)
    if json:
        document(told)
    _show(sites, found, json)
    return 0 if all(one.answers for one in found.values()) else SILENT


def _chosen(words: tuple[str, ...]) -> "tuple[World, Sequence[Site]]":
    """A single word is a world where there is one of that name, and else a site."""
    from emulator.worlds import ls
    from testbed.training import up

    if len(words) > 2:
        raise WrongInput(f"pacs: expected [WORLD] [SITE]; found '{' '.join(words)}'")
    named = len(words) == 2 or (len(words) == 1 and words[0] in {entry.name for entry in ls()})
    world = up(words[0] if named else None)
    rest = words[1:] if named else words
    sites = world.topology.sites
    if not rest:
        return world, sites
    chosen = [site for site in sites if site.name == rest[0]]
    if not chosen:
        known = ", ".join(site.name for site in sites)
        raise WrongInput(f"'{rest[0]}' is no site of world '{world.name}'; its sites: {known}")
    return world, chosen


def _show(sites: "Sequence[Site]", found: "Mapping[str, Capabilities]", json: bool) -> None:
    from testbed import matrix

    out = people(json)
    alike = matrix.kinds({site.name: site.pacs.profile for site in sites}, found)
    rows = [row for row in matrix.rows(kind.first for kind in alike) if matrix.is_told(row)]
    if len(alike) > 1:
        same, rows = matrix.shared(rows)
        out.print(_table([f"all {len(alike)} kinds"], same))
    titles = [kind.title for kind in alike]
    for places in matrix.side_by_side(titles, rows, min(out.width, _WIDTH), _WIDEST):
        part = [(label, [cells[place] for place in places]) for label, cells in rows]
        out.print(_table([titles[place] for place in places], part))
    for one in found.values():
        for finding in one.findings:
            out.print(finding, soft_wrap=True)
    answering = sum(one.answers for one in found.values())
    out.print(f"{answering} of {len(found)} PACS answer", soft_wrap=True)


def _table(titles: Sequence[str], rows: "Sequence[Row]") -> "Table":
    shown = table("capability", *titles, left=1 + len(titles))
    for column in shown.columns:
        column.no_wrap, column.overflow, column.max_width = False, "fold", _WIDEST
    for label, cells in rows:
        shown.add_row(label, *(Text(cell, style=_STYLES.get(cell, "")) for cell in cells[: len(titles)]))
    return shown
