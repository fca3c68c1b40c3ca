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
from testbed.costs import COLUMNS, PURPOSES, Cost, costs, grouped, payload, wire
from testbed.output import document, people, table
from testbed.parameters import Command, json_option, run_argument
from testbed.units import octets, percent

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
    out.print(_table("round", [*by_round.items(), ("all", entries)], summed=True))
    by_site = sorted(grouped(entries, lambda entry: entry.site).items(), key=lambda item: -wire(item[1]))
    shown = by_site if every_site else by_site[:SHOWN_SITES]
    out.print(_table("site", shown))
    if len(shown) < len(by_site):
        out.print(f"{len(by_site) - len(shown)} more sites moved less; --sites shows them")
    total = octets(found["total_wire_bytes"])
    out.print(f"{found['run']}: {total} on the wire, {octets(payload(entries))} of payload")


def _table(first: str, rows: Sequence[tuple[str, Sequence[Cost]]], summed: bool = False) -> Table:
    shown = table(first, *PURPOSES, "to sites", "from sites", "wire", "payload", "overhead")
    for place, (name, entries) in enumerate(rows):
        last = place == len(rows) - 1
        shown.add_row(
            name,
            *_cells(entries),
            style="bold" if summed and last else "",
            end_section=summed and place == len(rows) - 2,
        )
    return shown


def _cells(entries: Sequence[Cost]) -> list[str]:
    carried, handed = wire(entries), payload(entries)
    return [
        *(octets(wire(entries, purpose)) for purpose in PURPOSES),
        octets(sum(entry.rx_wire for entry in entries)),
        octets(sum(entry.tx_wire for entry in entries)),
        octets(carried),
        octets(handed),
        percent(carried / handed - 1) if handed else "-",
    ]


def _write(run: str, entries: Iterable[Cost]) -> None:
    out = writer.DictWriter(sys.stdout, COLUMNS, lineterminator="\n")
    out.writeheader()
    for entry in entries:
        out.writerow({"run": run, **asdict(entry)})
