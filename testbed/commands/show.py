"""`testbed show [RUN]`."""

from collections.abc import Mapping
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from testbed.output import document, people, table
from testbed.parameters import Command, json_option, run_argument
from testbed.units import counted, percent, seconds
from testbed.wording import method


@click.command(
    "show",
    cls=Command,
    examples=(
        ("testbed show", "the newest run: its rounds, its metrics, who was missing and why"),
        ("testbed show 20261124-110512-a3f1 --json | jq .model_sha256", "one figure of that run"),
    ),
)
@run_argument
@json_option
def command(run: str | None, json: bool) -> None:
    """Show one run's rounds and metrics.

    Also who was missing and why, what was broken on purpose, and in which rounds the emulation kept to its bounds
    (fidelity).
    """
    from testbed.runs import opened

    summary = opened(run).summary()
    if json:
        document(summary)
    else:
        tell(summary, people(json))


def tell(summary: Mapping[str, Any], out: Console) -> None:
    """Prints a run for people."""
    scores = ("balanced accuracy", "accuracy", "worst site", "loss")
    shown = table("round", *scores, "took part", "missing", "emulated", "here", "fidelity")
    for entry in summary["rounds"]:
        shown.add_row(*_row(entry))
    out.print(shown)
    for entry in summary["rounds"]:
        for site, why in entry["missing"].items():
            out.print(f"round {entry['round']}: {site} was missing: {why}", soft_wrap=True)
        for how in ("late", "back"):
            for site, why in entry[how].items():
                out.print(f"round {entry['round']}: {site} was {how}: {why}", soft_wrap=True)
        for why in entry["fidelity_why"]:
            out.print(f"round {entry['round']}: out of bounds: {why}", soft_wrap=True)
    for fault in summary["faults"]:
        out.print(_fault(fault), soft_wrap=True)
    by = method(summary["mode"], summary["algorithm"])
    what = f"{summary['task']} by {by} over {summary['world']}, seed {summary['seed']}"
    out.print(f"{summary['run']}: {summary['state']}; {what}", soft_wrap=True)
    if marked := exceeded(summary):
        out.print(
            f"{marked} of {counted(len(summary['rounds']), 'round')} out of bounds: their figures are not those "
            "of the network that was asked for",
            soft_wrap=True,
        )
    if left_out := summary["missing"]:
        listed = ", ".join(f"{site} ({counted(len(of['rounds']), 'round')})" for site, of in left_out.items())
        out.print(f"missing from some rounds: {listed}", soft_wrap=True)
    out.print(f"model {summary['model_sha256'] or 'none yet'}", soft_wrap=True)


def _fault(fault: Mapping[str, Any]) -> str:
    """One fault: when, what, where, and whether it could be."""
    settings = "".join(f", {key} {value}" for key, value in fault["settings"].items())
    lasting = f" for {seconds(fault['for_s'])}" if fault["for_s"] is not None else ""
    refused = f"; it could not be: {fault['refused']}" if fault["refused"] else ""
    what = f"{fault['fault']}{settings} on {', '.join(fault['on'])}{lasting}"
    return f"round {fault['round']}: at {seconds(fault['emulated_s'])} ({fault['trigger']}) {what}{refused}"


def exceeded(summary: Mapping[str, Any]) -> int:
    """How many rounds were out of bounds."""
    return sum(entry["fidelity"] != "ok" for entry in summary["rounds"])


def incomplete(summary: Mapping[str, Any]) -> bool:
    """Whether sites were missing though the run asks for all."""
    return summary["require"] == "all" and bool(summary["missing"])


def _row(entry: Mapping[str, Any]) -> list[str | Text]:
    metrics = entry["metrics"]
    missing = len(entry["missing"])
    return [
        str(entry["round"]),
        share(metrics.get("balanced_accuracy")),
        share(metrics.get("accuracy")),
        share(metrics.get("worst_site_accuracy")),
        "-" if metrics.get("loss") is None else f"{metrics['loss']:.3f}",
        str(len(entry["participants"])),
        Text(str(missing), style="red" if missing else ""),
        seconds(entry["emulated_s"]),
        seconds(entry["wall_s"]),
        Text(entry["fidelity"], style="green" if entry["fidelity"] == "ok" else "bold red"),
    ]


def share(value: float | None) -> str:
    """A metric, or a dash where it was not measured."""
    return "-" if value is None else percent(value)
