"""`testbed up TOPOLOGY`."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from testbed import progress
from testbed.output import document, people
from testbed.parameters import Command, json_option, topology_argument
from testbed.units import counted, seconds

if TYPE_CHECKING:
    from emulator.topology import MachineKind
    from testbed.composition import Plan


@click.command(
    "up",
    cls=Command,
    examples=(
        ("testbed up topologies/quickstart.yaml", "four hospitals, under the name that the topology gives"),
        ("testbed up my.yaml --name trial", "under another name: two worlds of one topology may be up"),
        ("testbed up my.yaml --plan", "what would change, and nothing else"),
        ("testbed up my.yaml --machine vm", "every PACS on a virtual machine, whatever the topology says"),
        ("testbed up my.yaml --wan uml", "with a router of user-mode Linux, also where the host has netem"),
    ),
)
@topology_argument
@click.option("--name", help="The world's name; without it, the topology's.")
@click.option("--wan", metavar="KERNEL", help="host, uml or plain; without it, the first that works here.")
@click.option(
    "--machine",
    type=click.Choice(["namespace", "vm"]),
    help="What every PACS runs on, in place of the topology's word.",
)
@click.option("--plan", is_flag=True, help="Print what would change, and change nothing.")
@json_option
def command(
    topology: Path, name: str | None, wan: str | None, machine: "MachineKind | None", plan: bool, json: bool
) -> None:
    """Bring a world up: sites, PACS, studies, links.

    Studies are baked once and kept; a second world of the same cohorts loads nothing. On a world that is up,
    only the difference is made; where there is none, nothing happens. Ctrl-C takes away what was made; what
    was baked is kept.
    """
    if plan:
        from testbed.composition import on_machines, planned, read, world_name

        wanted = on_machines(read(topology), machine)
        called = world_name(name or wanted.name)
        _tell(called, planned(wanted, called), json)
        return
    from emulator.worlds import Early

    with Early(wan) as early:  # a router boots while the rest is imported and read here
        from testbed.composition import bring_up, on_machines, read, world_name
        from testbed.routing import shortfall

        wanted = on_machines(read(topology), machine)
        called = world_name(name or wanted.name)
        with progress.shown() as report:
            world = bring_up(wanted, called, wan, report, early)
    sites = counted(len(wanted.sites), "site")
    took = seconds(world.record.up_s)
    click.echo(f"{world.name} is up: {sites}, WAN by the {world.record.wan} kernel, after {took}", err=json)
    waiting = sum(site.cohort.warehouse for site in wanted.sites)
    if waiting:
        click.echo(f"{counted(waiting, 'site')} to be filled from the warehouse by: testbed fill {called}", err=True)
    for line in shortfall(wanted, world.record.wan):
        click.echo(line, err=True)
    if json:
        kernel = {"kernel": world.record.wan}
        document(
            {
                "world": world.name,
                "state": world.state,
                "wan": kernel,
                "up_s": world.record.up_s,
                "sites": len(wanted.sites),
            }
        )


def _tell(name: str, plan: "Plan", json: bool) -> None:
    if json:
        document({"world": name, "up": plan.up, "bake": list(plan.bake), "changes": asdict(plan.changes)})
        return
    out, changes = people(json), plan.changes
    listed = (
        ("bake", plan.bake),
        ("add", changes.add),
        ("remove", changes.remove),
        ("relink", changes.relink),
        ("restart", changes.restart),
        ("toxics of", changes.toxics),
        ("start", changes.traffic),
        ("stop", tuple(name for name in changes.quiet if name not in changes.traffic)),
    )
    for verb, names in listed:
        if names:
            out.print(f"{verb} {len(names)}: {', '.join(names)}")
    if changes.shared_links:
        out.print("relink the hub and the regions")
    if changes.policy and plan.up:
        out.print("set the policy")
    if changes.other and not changes.policy and not changes.shared_links and not any(names for _, names in listed):
        out.print("keep the new topology with the world (its training or seed differ)")
    if not changes.any and not plan.bake:
        out.print(f"{name} is up and unchanged; nothing to do")
