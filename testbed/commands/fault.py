"""`testbed fault [WORLD] FAULT --on SITE`."""

import time
from collections.abc import Sequence
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import click

from emulator.errors import WrongInput
from emulator.topology.units import DURATION, WrongQuantity
from testbed.completion import complete_faults
from testbed.output import document, people, table
from testbed.parameters import Command, json_option
from testbed.units import seconds

if TYPE_CHECKING:
    from emulator.inside.keeper import Kept
    from emulator.worlds import World

USUALLY = "30s"
_LONGEST_S = 86_400.0


@click.command(
    "fault",
    cls=Command,
    options_metavar="[OPTIONS]",
    examples=(
        ("testbed fault --kinds", "every fault there is, with its settings"),
        ("testbed fault link-down --on clinic-03 --for 30s", "half a minute without the network, from now on"),
        ("testbed fault fifty-sites link-degrade --on lyon --set loss=10% --set rtt=400ms", "a bad line"),
        ("testbed fault worker-killed --on lyon", "over at once; what comes of it is the training's business"),
        ("testbed fault --list", "those that are on, and until when"),
        ("testbed fault --end all", "end all of them now"),
    ),
)
@click.argument("words", nargs=-1, metavar="[WORLD] [FAULT]", shell_complete=complete_faults)
@click.option("--on", multiple=True, metavar="SITE", help="Where: a site, or hub. May be given several times.")
@click.option("--for", "lasting", metavar="TIME", envvar="TESTBED_FAULT_FOR", help=f"How long; without it {USUALLY}.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    envvar="TESTBED_FAULT_SET",
    help="A setting of the fault. May be given several times.",
)
@click.option("--list", "listing", is_flag=True, envvar="TESTBED_FAULT_LIST", help="Show the faults that are on.")
@click.option("--kinds", is_flag=True, help="Show every fault there is, with its settings.")
@click.option(
    "--end",
    "ending",
    metavar="ID",
    envvar="TESTBED_FAULT_END",
    help="End a fault before its time; 'all' ends every one.",
)
@json_option
def command(
    words: tuple[str, ...],
    on: tuple[str, ...],
    lasting: str | None,
    settings: tuple[str, ...],
    listing: bool,
    kinds: bool,
    ending: str | None,
    json: bool,
) -> None:
    """Break something in a world, for a while.

    A fault is in force when the command returns. The world itself ends it at its time and makes whole what it broke,
    whatever becomes of this command; `up` and `down` end all. Faults that drop packets add up: dropped is what any of
    them drops. Faults that take hold of the same thing, such as a PACS's process, can't be on at once: the second is
    refused. The world's log of events has the beginning and the end of each.
    """
    if kinds:
        _tell_kinds(json)
        return
    one_of = [name for name, given in (("--list", listing), ("--end", ending), ("--on", on)) if given]
    if len(one_of) != 1 or len(words) > (2 if on else 1) or (on and not words):
        raise WrongInput("fault: expected [WORLD] FAULT --on SITE, or [WORLD] with --list or --end; see --help")
    from emulator.worlds import World

    world = World.open(words[0] if len(words) > (1 if on else 0) else None)
    if on:
        _begin(world, words[-1], on, lasting, settings, json)
    elif ending:
        _end(world, ending, json)
    else:
        _tell(world, json)


def _begin(
    world: "World", name: str, on: Sequence[str], lasting: str | None, settings: Sequence[str], json: bool
) -> None:
    from emulator.faults.registry import get

    lasts = get(name).lasts
    if lasting and not lasts:
        raise WrongInput(f"--for: '{name}' is over at once; leave it out")
    for_s = _duration(lasting or USUALLY) if lasts else 0.0
    begun = world.faults().begin(name, on, dict(map(_setting, settings)), for_s)
    if json:
        document({"world": world.name, "id": begun, "fault": name, "on": on, "for_s": for_s if lasts else None})
        return
    until = f"for {seconds(for_s)}" if lasts else "done"
    click.echo(f"{begun}: {name} on {', '.join(on)}, {until}")


def _setting(text: str) -> tuple[str, str]:
    key, separator, value = text.partition("=")
    if not separator or not key:
        raise WrongInput(f"--set: '{text}' is not key=value")
    return key, value


def _duration(text: str) -> float:
    try:
        for_s = float(DURATION.parse(text))
    except WrongQuantity as error:
        raise WrongInput(f"--for: found '{text}'; {error}") from error
    if not 0.1 <= for_s <= _LONGEST_S:
        raise WrongInput(f"--for: found '{text}'; expected from 100ms to 1440min")
    return for_s


def _end(world: "World", which: str, json: bool) -> None:
    ids = [fault.id for fault in world.faults().on()]
    if which != "all" and which not in ids:
        raise WrongInput(f"--end: no fault '{which}' is on in world '{world.name}'; on: {', '.join(ids) or 'none'}")
    ended = ids if which == "all" else [which]
    world.faults().end(ended)
    if json:
        document({"world": world.name, "ended": ended})
    else:
        click.echo(f"ended: {', '.join(ended) or 'none was on'}")


def _tell(world: "World", json: bool) -> None:
    now_s = time.monotonic()
    on = world.faults().on()
    if json:
        document({"world": world.name, "faults": [_plain(fault, now_s) for fault in on]})
        return
    shown = table("id", "fault", "on", "settings", "since", "still", left=4)
    for fault in on:
        told = ", ".join(f"{key}={value}" for key, value in fault.settings.items())
        left = "it can't be undone; take the world down" if fault.tried else seconds(max(0.0, fault.until_s - now_s))
        shown.add_row(fault.id, fault.fault, ", ".join(fault.on), told, seconds(now_s - fault.begun_s), left)
    people(json).print(shown if on else f"no fault is on in {world.name}")


def _plain(fault: "Kept", now_s: float) -> dict[str, Any]:
    told = {"id": fault.id, "fault": fault.fault, "on": fault.on, "settings": fault.settings}
    return {**told, "since_s": round(now_s - fault.begun_s, 3), "left_s": round(max(0.0, fault.until_s - now_s), 3)}


def _tell_kinds(json: bool) -> None:
    from emulator.faults.registry import get, names

    kinds = {name: get(name) for name in names()}
    if json:
        document({"faults": [{"name": name, **kind.described()} for name, kind in kinds.items()]})
        return
    for name, kind in kinds.items():
        told = kind.described()
        ends = "" if told["lasts"] else "; over at once"
        click.echo(f"{click.style(name, bold=True)}  at a {' or '.join(told['where'])}{ends}")
        click.echo("\n".join(wrap(told["what"], 100, initial_indent="    ", subsequent_indent="    ")))
        for key, setting in told["settings"].items():
            click.echo(f"      {key}: {setting['what']}{' (needed)' if setting['needed'] else ''}")
