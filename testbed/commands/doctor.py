"""`testbed doctor`."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from emulator.errors import CannotHere
from testbed.output import document, people
from testbed.parameters import Command, json_option

if TYPE_CHECKING:
    from testbed.examination import Check


@click.command(
    "doctor",
    cls=Command,
    examples=(
        ("testbed doctor", "what works here, and what to install for the rest"),
        ("testbed doctor --json | jq '.checks[] | select(.ok | not)'", "only what is missing"),
    ),
)
@json_option
def command(json: bool) -> int:
    """Tell what this machine can do and what is missing.

    Namespaces, WAN kernels, PACS software, tools, memory, disk: tried where that is quick, with what to install.
    Ends with 0 where `up` can work and with 3 where it can't.
    """
    from testbed.examination import examine

    checks = list(examine())
    able = all(check.ok for check in checks if check.needed)
    if json:
        document({"ok": able, "checks": [asdict(check) for check in checks]})
    _tell(checks, able, people(json))
    return 0 if able else CannotHere.exit_code


def _tell(checks: "Sequence[Check]", able: bool, out: Console) -> None:
    shown = Table("", "what", "found", "what to do", box=SIMPLE_HEAD, pad_edge=False)
    for check in checks:
        shown.add_row(_mark(check), check.name, check.found, "" if check.ok else check.advice)
    out.print(shown)
    out.print("testbed up works here" if able else "testbed up can't work here until what is marked 'missing' is there")


def _mark(check: "Check") -> Text:
    if check.ok:
        return Text("yes", style="green")
    return Text("missing", style="bold red") if check.needed else Text("no", style="yellow")
