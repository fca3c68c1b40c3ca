"""`testbed runs`."""

import click

from testbed.output import document, people, table
from testbed.parameters import Command, json_option
from testbed.wording import method


@click.command(
    "runs",
    cls=Command,
    examples=(
        ("testbed runs", "all recorded runs, the newest first"),
        (
            "testbed runs --json | jq -r '.runs[] | select(.state==\"interrupted\").run'",
            "those that can be resumed",
        ),
    ),
)
@json_option
def command(json: bool) -> None:
    """List recorded runs, the newest first."""
    from testbed.runs import listed

    found = listed()
    if json:
        document({"runs": found})
        return
    if not found:
        people(json).print("no run is recorded yet; record one by: testbed train")
        return
    columns = ("run", "world", "state", "task", "algorithm", "seed", "rounds")
    shown = table(*columns, left=5)
    for entry in found:
        told = {**entry, "algorithm": method(entry["mode"], entry["algorithm"])}
        shown.add_row(*(str(told.get(column, "")) for column in columns))
    people(json).print(shown)
