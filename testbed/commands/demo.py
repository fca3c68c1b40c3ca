"""`testbed demo`."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from emulator.errors import CannotHere
from testbed import progress
from testbed.commands import cost, report, show
from testbed.output import people
from testbed.parameters import Command
from testbed.units import counted, seconds

TOPOLOGY = "50_sites.yaml"


@click.command(
    "demo",
    cls=Command,
    examples=(
        ("testbed demo", "fifty hospitals: up, trained, measured, reported, down"),
        ("testbed demo --topology topologies/quickstart.yaml --rounds 2", "a small one"),
        ("testbed demo --keep", "leave the world up afterwards, to look around in"),
    ),
)
@click.option("--topology", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Another world.")
@click.option("--rounds", type=click.IntRange(min=1), help="Rounds to train; else what the topology says.")
@click.option("--keep", is_flag=True, help="Leave the world up at the end.")
def command(topology: Path | None, rounds: int | None, keep: bool) -> None:
    """Do the whole job once, from up to down.

    Fifty hospitals are brought up and trained over; what it cost is printed, the report is written. A world that
    was up before is used and left up. Ctrl-C takes the world away; what was recorded stays.
    """
    from testbed.composition import bring_up, read
    from testbed.overrides import overridden
    from testbed.routing import shortfall
    from testbed.runs import opened
    from testbed.training import train

    began = time.monotonic()
    wanted = read(topology or shipped(TOPOLOGY))
    out = people(json=False)
    with _taken_down(wanted.name, keep):
        with progress.shown() as told:
            world = bring_up(wanted, wanted.name, None, told)
        out.print(f"{world.name} is up: {counted(len(wanted.sites), 'site')}, after {seconds(world.record.up_s)}")
        for line in shortfall(wanted, world.record.wan):
            out.print(line, soft_wrap=True)
        training = overridden(wanted.training, None, None, rounds, ())
        run = train(world, training, wanted.seed)
        found = opened(run)
        show.tell(found.summary(), out)
        cost.tell(found.cost(), out)
        out.print(f"report: {report.write((run,), None)}", soft_wrap=True)
    out.print(f"done in {seconds(time.monotonic() - began)}")


def shipped(name: str) -> Path:
    """A topology that comes with this: beside the packages in a checkout, within this one when installed."""
    here = Path(__file__).parent.parent
    for folder in (here.parent / "topologies", here / "topologies"):
        if (folder / name).is_file():
            return folder / name
    raise CannotHere(f"{name} is not among what is installed here; give a topology by --topology")


@contextmanager
def _taken_down(name: str, keep: bool) -> Iterator[None]:
    """Takes the world down at the end, however it ends, unless it is to be kept or was up before."""
    from emulator.worlds import World

    was_up = World.present(name) is not None
    kept = keep or was_up
    try:
        yield
    except BaseException:
        kept = was_up
        raise
    finally:
        if kept:
            people(json=False).print(f"{name} stays up; look around by: testbed status {name}")
        elif World.down(name):
            people(json=False).print(f"{name} is down")
