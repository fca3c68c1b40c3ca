"""`testbed plan TOPOLOGY`."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from testbed.composition import cache, read
from testbed.output import document, people, table
from testbed.parameters import Command, json_option, topology_argument
from testbed.planning import Plan, Timeout, plan, total, wire_bytes
from testbed.units import counted, octets, seconds
from trainer.forecast import Round

SHOWN_SITES = 6
_PHASES = ("pull", "model", "train", "update", "eval", "report")
_WAN = ("model", "update", "control")


@click.command(
    "plan",
    cls=Command,
    examples=(
        ("testbed plan topologies/50_sites.yaml", "what a round will cost, site by site"),
        ("testbed plan my.yaml --json | jq '.timeouts[] | select(.fires_at != {})'", "only time-outs that would fire"),
    ),
)
@topology_argument
@json_option
@click.pass_context
def command(context: click.Context, topology: Path, json: bool) -> None:
    """Tell what a round will cost before anything is started.

    By site, in wire bytes and emulated seconds: of the first round, which fetches the first model and pulls
    all studies, and of every later one. Then the time-outs in force, and where they would fire: it ends
    with 1 if any would. Lines are taken as healthy: what lost packets cost in time is not foreseen. How
    long a pull takes depends on this machine and is a rough figure.
    """
    found = plan(read(topology), cache())
    if json:
        document(_document(found))
    else:
        _tell(found)
    context.exit(1 if found.fires else 0)


def _document(found: Plan) -> dict[str, Any]:
    training = found.topology.training
    return {
        "topology": found.topology.name,
        "task": training.task,
        "algorithm": training.algorithm,
        "model_bytes": found.sizes.model,
        "update_bytes": found.sizes.update,
        "rounds_asked": training.rounds,
        "seconds": found.seconds,
        "wire_bytes": found.wire_bytes,
        "studies": {site: asdict(studies) for site, studies in found.studies.items()},
        "first_round": _round(found.first),
        "later_rounds": _round(found.later),
        "timeouts": [asdict(timeout) for timeout in found.timeouts],
        "verdict": "a time-out would fire" if found.fires else "ok",
    }


def _round(planned: Round) -> dict[str, Any]:
    sites = {
        name: {
            "seconds": dict(site.seconds),
            **{purpose: {"rx_wire": wire.rx, "tx_wire": wire.tx} for purpose, wire in site.wire.items()},
        }
        for name, site in planned.sites.items()
    }
    return {
        "seconds": planned.seconds,
        "wire_bytes": wire_bytes(planned),
        "last_update": planned.last_update,
        "last_report": planned.last_report,
        "sites": sites,
    }


def _tell(found: Plan) -> None:
    out = people(json=False)
    training = found.topology.training
    out.print(_table(found))
    for name, planned in (("the first round", found.first), ("every later round", found.later)):
        out.print(
            f"{name}: {seconds(planned.seconds)}, {octets(wire_bytes(planned))}; "
            f"{planned.last_update} sends the last update, {planned.last_report} the last report",
            soft_wrap=True,
        )
    sizes = f"a model of {octets(found.sizes.model)}" if found.sizes.model else "models that stay at home"
    what = f"{counted(training.rounds, 'round')} of {training.task} by {training.algorithm}, {sizes}"
    out.print(
        f"{found.topology.name}: {what}: {seconds(found.seconds)} emulated, {octets(found.wire_bytes)} on the wire",
        soft_wrap=True,
    )
    for timeout in found.timeouts:
        out.print(_said(timeout), soft_wrap=True, style="red" if timeout.fires_at else "")


def _table(found: Plan) -> Table:
    """Sites as they are written; the first round's own costs beside what every round costs."""
    shown = table("site", "studies", "first: WAN", "time", *(f"later: {p}" for p in _PHASES[1:]), "WAN", "time")
    for name, later in found.later.sites.items():
        first = found.first.sites[name]
        shown.add_row(
            name,
            octets(total(first.wire, "pull")),
            octets(total(first.wire, *_WAN)),
            seconds(sum(first.seconds.values())),
            *(_time(later.seconds, phase) for phase in _PHASES[1:]),
            octets(total(later.wire, *_WAN)),
            seconds(sum(later.seconds.values())),
        )
    return shown


def _time(spent: Mapping[str, float], phase: str) -> str:
    return seconds(spent[phase]) if phase in spent else "-"


def _said(timeout: Timeout) -> str:
    limit = f"time-out '{timeout.name}', {seconds(timeout.seconds)} for {timeout.waits_for}"
    if not timeout.fires_at:
        return f"{limit}: would not fire"
    slowest = sorted(timeout.fires_at.items(), key=lambda item: -item[1])
    named = ", ".join(f"{site} ({seconds(takes)})" for site, takes in slowest[:SHOWN_SITES])
    more = f" and {len(slowest) - SHOWN_SITES} more" if len(slowest) > SHOWN_SITES else ""
    return f"{limit}: WOULD FIRE at {named}{more}"
