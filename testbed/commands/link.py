"""`testbed link [WORLD] SITE`."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import click
from rich.text import Text

from emulator.errors import WrongInput
from emulator.topology import Change, Direction, Link, parse_change
from testbed.completion import complete_sites
from testbed.output import document, people, table
from testbed.parameters import Command, json_option
from testbed.units import percent, rate, seconds

_VALUES = (
    ("rate", "both directions' rate, such as 5mbit"),
    ("down", "rate towards the site, or a mapping such as '{rate: 5mbit, delay: 40ms}'"),
    ("up", "rate from the site, or a mapping"),
    ("rtt", "round-trip time, such as 80ms; each direction takes half of it"),
    ("jitter", "standard deviation of each direction's delay"),
    ("loss", "packets lost, such as 5%, or a model of bursts such as '{mean: 1%, burst: 5}'"),
    ("duplicate", "share of packets that arrive twice"),
    ("corrupt", "share of packets with one bit turned"),
    ("reorder", "share of packets that overtake all others"),
)


def _value_options(function: Callable[..., Any]) -> Callable[..., Any]:
    for name, purpose in reversed(_VALUES):
        text = f"{purpose[0].upper()}{purpose[1:]}."
        function = click.option(f"--{name}", metavar="VALUE", help=text)(function)
    return function


@click.command(
    "link",
    cls=Command,
    options_metavar="[OPTIONS]",
    examples=(
        ("testbed link lyon", "what the topology asks of lyon's link, and what it is now"),
        ("testbed link lyon --rate 2mbit --rtt 120ms", "slower and further, at once, while traffic flows"),
        ("testbed link lyon --up '{loss: 5%}'", "of one direction only"),
        ("testbed link lyon --loss 100%", "an outage, until it is taken back"),
        ("testbed link lyon --reset", "as the topology says again"),
    ),
)
@click.argument("words", nargs=-1, required=True, metavar="[WORLD] SITE", shell_complete=complete_sites)
@_value_options
@click.option("--reset", is_flag=True, help="Give the link back to the topology.")
@json_option
def command(words: tuple[str, ...], reset: bool, json: bool, **values: str | None) -> None:
    """Show a site's link, or change it while traffic flows.

    Values are written as in a topology; what is not given stays as it is. What waits in the link's queues is kept,
    and each direction changes at once. On a link that varies over time, a value that is given holds against its
    schedule and its trace. The discipline of a queue can't be changed live: use `up`, which also undoes what was
    changed here.
    """
    from emulator.worlds import World

    if len(words) > 2:
        raise WrongInput(f"link: expected [WORLD] SITE; found '{' '.join(words)}'")
    given = {name: value for name, value in values.items() if value is not None}
    if given and reset:
        raise WrongInput("--reset: expected alone; found with other values: reset first, then change")
    world, site = World.open(words[0] if len(words) == 2 else None), words[-1]
    if given:
        present = world.change_link(site, *parse_change(given))
    else:
        present = world.reset_link(site) if reset else world.link(site)
    _tell(world, site, present, json)


def _tell(world: Any, site: str, present: Link, json: bool) -> None:
    asked = next(one.link for one in world.topology.sites if one.name == site)
    by_hand = world.changed_links().get(site)
    if json:
        told = {"world": world.name, "site": site, "changed": by_hand is not None, "varies": asked.varies}
        document({**told, "asked": _plain(asked), "present": _plain(present), "by_hand": _by_hand(by_hand)})
        return
    out = people(json)
    shown = table("", "rate", "delay", "jitter", "loss", "duplicate", "corrupt", "reorder", "queue")
    for way in ("down", "up"):
        wanted, now = getattr(asked, way), getattr(present, way)
        shown.add_row(f"{way}, asked", *(Text(cell) for cell in _cells(wanted)))
        cells = zip(_cells(now), _cells(wanted), strict=True)
        shown.add_row(f"{way}, now", *(Text(cell, style="bold" if cell != usual else "") for cell, usual in cells))
    out.print(shown)
    how = "changed by hand; --reset gives it back" if by_hand else "as the topology says"
    varies = "; it varies over time" if asked.varies else ""
    out.print(f"{site} of {world.name}: profile {asked.profile}; {how}{varies}", soft_wrap=True)


def _plain(link: Link) -> dict[str, Any]:
    return {"profile": link.profile, "down": asdict(link.down), "up": asdict(link.up)}


def _by_hand(changes: tuple[Change, Change] | None) -> Mapping[str, Any]:
    if changes is None:
        return {"down": {}, "up": {}}
    return {
        way: {name: value for name, value in asdict(change).items() if value is not None}
        for way, change in zip(("down", "up"), changes, strict=True)
    }


def _cells(direction: Direction) -> list[str]:
    return [
        rate(direction.rate_bps),
        seconds(direction.delay_s),
        seconds(direction.jitter_s),
        percent(direction.loss) + (" in bursts" if direction.bursts else ""),
        percent(direction.duplicate),
        percent(direction.corrupt),
        percent(direction.reorder),
        f"{seconds(direction.queue_s)} {direction.discipline}",
    ]
