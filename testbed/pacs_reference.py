"""The reference page of the PACS flavours: what each offers, found out by starting it and probing it.

`python -m testbed.pacs_reference > docs/reference/pacs.md` writes it, from whatever flavours this machine has.
"""

import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import click

from emulator.errors import CannotHere
from emulator.topology import Site, Topology
from emulator.worlds import World
from nodes.pacs import flavours
from nodes.probe import Capabilities
from nodes.probe.capabilities import TIMINGS, columns
from testbed import composition, matrix, probing
from testbed.inspection import AsSeenAt

HEAD = """# PACS flavours

<!-- Written by `python -m testbed.pacs_reference`, which probes what it tells; don't change it by hand. -->

What each flavour offers with no options set (but that names of patients are in UTF-8), found out by starting it over
a cohort of four studies and asking it, as `testbed pacs` does for the sites of a world. Nothing here is declared by
anybody. `–` is what could not be found out: it was not asked, or not answered.
"""
PARTS = (
    ("web.", "Over HTTP"),
    ("web.qido.", "QIDO-RS"),
    ("web.wado.", "WADO-RS"),
    ("dimse.", "Over DIMSE"),
    ("dimse.find.", "C-FIND"),
)
WORLD = "pacs-reference"
_TOPOLOGY = """name: pacs-reference
defaults: {cohort: {studies: 4, scanner: 1.5T}}
"""


def page(found: Mapping[str, Capabilities]) -> str:
    """The whole page, as Markdown; `found` by what the flavours are called."""
    names = list(found)
    sections = [line for prefix, title in PARTS for line in _section(prefix, title, names, found)]
    findings = [f"- {name}: {one.partition(': ')[2]}" for name in names for one in found[name].findings]
    told = ["## What they did besides", "", *findings, ""] if findings else []
    return "\n".join([HEAD, *sections, *told])


def told_on_the_page() -> list[tuple[str, str]]:
    """The path and label of every row of the page: all that probing finds out, but for what no two times are equal."""
    return [(path, label) for path, label in columns() if path.rpartition(".")[2] not in TIMINGS]


def _section(prefix: str, title: str, names: Sequence[str], found: Mapping[str, Capabilities]) -> Iterator[str]:
    yield from (f"## {title}", "", f"| | {' | '.join(names)} |", f"| --- |{' --- |' * len(names)}")
    rows = dict(zip((path for path, _ in columns()), matrix.rows(found.values()), strict=True))
    for path, _ in told_on_the_page():
        if path.rpartition(".")[0] + "." == prefix:
            label, cells = rows[path]
            yield f"| {label} | {' | '.join(cells)} |"
    yield ""


def _topology(folder: Path, names: Sequence[str]) -> Topology:
    """A site for each flavour, in the order of their names."""
    profile = "  p-{place}: {{flavour: '{name}', writes: {{charset: ISO_IR 192}}}}\n"
    profiles = (profile.format(place=place, name=name) for place, name in enumerate(names))
    sites = (f"  - {{name: site-{place}, pacs: p-{place}}}\n" for place in range(len(names)))
    file = folder / "topology.yaml"
    file.write_text(f"{_TOPOLOGY}pacs:\n{''.join(profiles)}sites:\n{''.join(sites)}")
    return composition.read(file)


def _here(folder: Path) -> list[str]:
    """The flavours that can be started on this machine; what the others lack is told on stderr."""
    able = []
    for site in _topology(folder, sorted(flavours.names())).sites:
        try:
            flavours.get(site.pacs.flavour).services(site, None)
        except CannotHere as error:
            click.echo(f"{site.pacs.flavour} is left out: {error}", err=True)
        else:
            able.append(site.pacs.flavour)
    return able


def main() -> None:
    """Start every flavour in a world of its own home, probe it, and print the page."""
    with tempfile.TemporaryDirectory(prefix="pacs-") as folder:
        os.environ["TESTBED_HOME"] = folder
        topology = _topology(Path(folder), _here(Path(folder)))
        try:
            world = composition.bring_up(topology, WORLD, None, lambda what, done, total: None)
            found = probing.probed(world, topology.sites)
            titles = {site.name: _title(world, site) for site in topology.sites}
        finally:
            World.down(WORLD)
        sys.stdout.write(page({titles[site.name]: found[site.name] for site in topology.sites}))


def _title(world: World, site: Site) -> str:
    """The flavour, and the version that it says it is."""
    version = flavours.get(site.pacs.flavour).probe(site, AsSeenAt(world, f"{site.name}/worker")).version
    return f"{site.pacs.flavour} ({version})"


if __name__ == "__main__":
    main()
