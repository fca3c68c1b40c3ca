"""`testbed report [RUN…]`."""

from pathlib import Path

import click

from testbed.completion import complete_runs
from testbed.output import document, people
from testbed.parameters import Command, json_option


@click.command(
    "report",
    cls=Command,
    examples=(
        ("testbed report", "the newest run, into its own folder"),
        ("testbed report 20261124-110512-a3f1 -o fedavg.html", "that run, into a file of choice"),
        ("testbed report RUN-A RUN-B -o compared.html", "several runs over one another"),
    ),
)
@click.argument("runs", nargs=-1, metavar="[RUN]…", shell_complete=complete_runs)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file to write; without it, report.html (or compared.html) in the first run's folder.",
)
@json_option
def command(runs: tuple[str, ...], output: Path | None, json: bool) -> None:
    """Write a page with the plots of a run, or of several.

    Several runs are compared. The page stands by itself: it fetches nothing, runs no script, follows the
    reader's light or dark theme and prints well.
    """
    written = write(runs, output)
    if json:
        document({"report": str(written), "runs": list(runs)})
    people(json).print(f"report: {written}", soft_wrap=True)


def write(runs: tuple[str, ...], output: Path | None) -> Path:
    """Writes the page of these runs (none: the newest one) and returns where it is."""
    from testbed import report
    from testbed.report.facts import read
    from testbed.runs import folder, opened

    facts = [read(opened(run)) for run in (runs or (None,))]
    page = report.single(facts[0]) if len(facts) == 1 else report.compared(facts)
    target = output or folder(facts[0].run) / ("report.html" if len(facts) == 1 else "compared.html")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(page, encoding="utf-8")
    return target.absolute()
