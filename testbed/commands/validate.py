"""`testbed validate TOPOLOGY`."""

import json as decoder
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from emulator.errors import TopologyErrors
from emulator.topology import Site, Topology, dump
from emulator.topology.scenarios import load_scenario
from testbed.composition import read
from testbed.output import document, people, table
from testbed.parameters import Command, json_option, topology_argument
from testbed.units import counted, percent, rate, seconds
from testbed.wording import method

if TYPE_CHECKING:
    from rich.table import Table


@click.command(
    "validate",
    cls=Command,
    examples=(
        (
            "testbed validate topologies/quickstart.yaml",
            "every site as it will be, or every mistake with its line",
        ),
        ("testbed validate my.yaml --scenario topologies/scenarios/vpn-drop.yaml", "whether the scenario fits"),
        ("testbed validate my.yaml --json | jq .topology.sites[0]", "the same for a program"),
    ),
)
@topology_argument
@click.option(
    "--scenario",
    "scenarios",
    multiple=True,
    metavar="FILE",
    envvar="TESTBED_VALIDATE_SCENARIO",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Check a scenario against it, too; may be given several times.",
)
@json_option
def command(topology: Path, scenarios: tuple[Path, ...], json: bool) -> None:
    """Check a topology and print it resolved.

    Groups are stamped out, defaults filled in, random draws made. Every mistake is told at once, each
    with file, line, column, what was found and what was expected.
    """
    try:
        found = read(topology)
        more = [fault for path in scenarios for fault in load_scenario(path, found, found.seed)]
        found = replace(found, faults=(*found.faults, *more))
    except TopologyErrors as errors:
        if json:
            document({"valid": False, "problems": list(errors.problems)})
        raise
    if json:
        document({"valid": True, "problems": [], "topology": decoder.loads(dump(found))})
        return
    _show(found)


def _show(topology: Topology) -> None:
    out = people(json=False)
    names = ("site", "group", "machine", "link", "PACS", "scanner", "storage")
    classes = list(dict.fromkeys(name for site in topology.sites for name in site.cohort.classes))
    shown = table(*names, "down", "up", "RTT", "studies", *(name or "unlabelled" for name in classes), left=len(names))
    for site in topology.sites:
        shown.add_row(*_row(site, classes))
    out.print(shown)
    if topology.faults:
        out.print(_faults(topology))
    training = topology.training
    studies = sum(site.cohort.studies for site in topology.sites)
    size = f"{counted(len(topology.sites), 'site')}, {counted(studies, 'study')}, seed {topology.seed}"
    what = f"{training.task} by {method(training.mode, training.algorithm)}, {counted(training.rounds, 'round')}"
    out.print(f"{topology.name}: {size}; {what}", soft_wrap=True)


def _faults(topology: Topology) -> "Table":
    shown = table("fault", "on", "when", "for", "chance", "settings", left=6)
    for fault in topology.faults:
        lasting = "" if fault.for_s is None else seconds(fault.for_s)
        told = ", ".join(f"{key}: {value}" for key, value in fault.settings.items())
        chance = "" if fault.chance == 1 else percent(fault.chance)
        shown.add_row(fault.fault, ", ".join(fault.on), str(fault.trigger), lasting, chance, told)
    return shown


def _row(site: Site, classes: Sequence[str]) -> list[str]:
    link, cohort = site.link, site.cohort
    return [
        site.name,
        site.group,
        site.machine if site.guest is None else f"{site.machine} {site.guest.image}",
        link.profile,
        site.pacs.profile,
        cohort.scanner or f"from {cohort.source}",
        cohort.storage if cohort.kind == "phantom" else "as imported",
        rate(link.down.rate_bps),
        rate(link.up.rate_bps),
        seconds(link.down.delay_s + link.up.delay_s),
        str(cohort.studies),
        *(str(cohort.classes.get(name, 0)) for name in classes),
    ]
