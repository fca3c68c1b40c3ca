"""`testbed cost [RUN]`."""

import csv as writer
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from emulator.errors import WrongInput
from testbed.costs import (
    COLUMNS,
    WAN,
    Cost,
    Dropped,
    beyond,
    costs,
    drops,
    grouped,
    lost_wire,
    overhead,
    payload,
    resent,
    told,
    wire,
)
from testbed.output import document, people, table
from testbed.parameters import Command, json_option, run_argument
from testbed.units import counted, octets

SHOWN_SITES = 10


@click.command(
    "cost",
    cls=Command,
    examples=(
        ("testbed cost", "the newest run, by round and by site"),
        ("testbed cost --sites", "every site, not the ten that moved most"),
        ("testbed cost --csv > cost.csv", "by round, site, purpose and direction, for a spreadsheet"),
    ),
)
@run_argument
@click.option("--sites", is_flag=True, help="Show every site, not the ten that moved most.")
@click.option("--csv", is_flag=True, help="Print CSV on stdout: one row for each round, site and purpose.")
@json_option
def command(run: str | None, sites: bool, csv: bool, json: bool) -> None:
    """Show what a run cost on the network.

    By round, site, direction and purpose. Wire bytes are what crossed the site's interface, IP headers
    and retransmissions included; payload is what the application handed over. rx and tx are seen from the
    site. Pulls stay on the site's LAN; all else crosses the WAN.

    Sent again is what TCP repeated, as the sender counts it: of what was repeated to a site, only what came
    twice is in its wire bytes. Dropped packets are the router's: lost on the line as the topology asks, and
    those that found a queue full.
    """
    from testbed.runs import opened

    if csv and json:
        raise WrongInput("cost prints --csv or --json, not both: stdout carries one document")
    found = opened(run).cost()
    if json:
        document(found)
    elif csv:
        _write(str(found["run"]), costs(found))
    else:
        tell(found, people(json), every_site=sites)


def tell(found: Mapping[str, Any], out: Console, every_site: bool = False) -> None:
    """Prints a run's cost for people: one table by round, one by site."""
    entries = list(costs(found))
    if not entries:
        out.print(f"{found['run']}: no round has ended, so nothing was counted")
        return
    by_round = grouped(entries, lambda entry: str(entry.round))
    dropped = list(drops(found))
    out.print(_table("round", [*by_round.items(), ("all", entries)], _by(dropped, "round"), summed=True))
    by_site = sorted(grouped(entries, lambda entry: entry.site).items(), key=lambda item: -wire(item[1]))
    shown = by_site if every_site else by_site[:SHOWN_SITES]
    out.print(_table("site", shown, _by(dropped, "site")))
    if len(shown) < len(by_site):
        out.print(f"{len(by_site) - len(shown)} more sites moved less; --sites shows them")
    for entry in found["rounds"]:
        if entry["fidelity"] != "ok":
            out.print(
                f"round {entry['round']} was out of bounds; testbed show {found['run']} tells why", soft_wrap=True
            )
    total = octets(found["total_wire_bytes"])
    out.print(f"{found['run']}: {total} on the wire, {octets(payload(entries))} of payload")
    over_wan = [entry for entry in entries if entry.purpose in WAN]
    out.print(f"over the WAN: overhead {overhead(over_wan)}{_said(dropped)}", soft_wrap=True)
    if lost := lost_wire(found):
        out.print(f"{octets(lost)} of the wire's are of rounds that were interrupted and begun again")


def _said(dropped: Sequence[Dropped]) -> str:
    if not dropped:
        return ""
    lost, overflowed = (sum(getattr(one, kind) for one in dropped) for kind in ("lost", "overflowed"))
    return f"; the router dropped {counted(lost, 'packet')} on the lines and {overflowed:,} at full queues"


def _by(dropped: Sequence[Dropped], what: str) -> dict[str, list[Dropped]]:
    found: dict[str, list[Dropped]] = {"all": list(dropped)}
    for one in dropped:
        found.setdefault(str(getattr(one, what)), []).append(one)
    return found


def _table(
    first: str,
    rows: Sequence[tuple[str, Sequence[Cost]]],
    dropped: Mapping[str, Sequence[Dropped]],
    summed: bool = False,
) -> Table:
    measured = ("wire", "payload", "overhead", "sent again", "lost", "overflowed")
    purposes = told(entry for _, entries in rows for entry in entries)
    shown = table(first, *purposes, "to sites", "from sites", *measured)
    for place, (name, entries) in enumerate(rows):
        last = place == len(rows) - 1
        shown.add_row(
            name,
            *_cells(entries, purposes),
            *_dropped(dropped.get(name)),
            style="bold" if summed and last else "",
            end_section=summed and place == len(rows) - 2,
        )
    return shown


def _cells(entries: Sequence[Cost], purposes: Sequence[str]) -> list[str]:
    carried, handed, again = wire(entries), payload(entries), resent(entries)
    return [
        *(octets(wire(entries, purpose)) for purpose in purposes),
        octets(sum(entry.rx_wire for entry in entries)),
        octets(sum(entry.tx_wire for entry in entries)),
        octets(carried),
        octets(handed),
        beyond(carried, handed),
        "-" if again is None else octets(again),
    ]


def _dropped(dropped: Sequence[Dropped] | None) -> tuple[str, str]:
    """Packets; a dash where nothing was measured."""
    if not dropped:
        return "-", "-"
    return f"{sum(one.lost for one in dropped):,}", f"{sum(one.overflowed for one in dropped):,}"


def _write(run: str, entries: Iterable[Cost]) -> None:
    out = writer.DictWriter(sys.stdout, COLUMNS, lineterminator="\n")
    out.writeheader()
    for entry in entries:
        out.writerow({"run": run, **asdict(entry)})
