"""`testbed runs`, and runs as files."""

from pathlib import Path

import click

from testbed.completion import complete_runs
from testbed.output import document, people, table
from testbed.parameters import Command, CommandGroup, json_option
from testbed.units import octets
from testbed.wording import method


@click.group(
    "runs",
    cls=CommandGroup,
    invoke_without_command=True,
    examples=(
        ("testbed runs", "all recorded runs, the newest first"),
        (
            "testbed runs --json | jq -r '.runs[] | select(.state==\"interrupted\").run'",
            "those that can be resumed",
        ),
        ("testbed runs export 20261124-110512-a3f1 -o run.tar.gz", "one run as one file"),
        ("testbed runs import run.tar.gz", "a run that was exported elsewhere"),
    ),
)
@json_option
@click.pass_context
def command(ctx: click.Context, json: bool) -> None:
    """List recorded runs, the newest first; export one into a file, import one."""
    if ctx.invoked_subcommand:
        return
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


@command.command(
    "export",
    cls=Command,
    examples=(("testbed runs export 20261124-110512-a3f1 -o run.tar.gz", "its record and models, without its PACS"),),
)
@click.argument("run", shell_complete=complete_runs)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file to write; without it, RUN.tar.gz in this folder.",
)
@json_option
def export(run: str, output: Path | None, json: bool) -> None:
    """Write a run into one file, to be shown, compared or replayed elsewhere.

    Paths of this machine, and the passwords and keys of its PACS, stay behind. `import` tells the same digest.
    """
    from testbed.runs import opened
    from trainer.record.parcel import pack

    target = (output or Path(f"{run}.tar.gz")).absolute()
    digest = pack(opened(run), target)
    size = target.stat().st_size
    people(json).print(f"{target}: run {run}, {octets(size)}, digest {digest}", soft_wrap=True)
    if json:
        document({"run": run, "file": str(target), "bytes": size, "sha256": digest})


@command.command(
    "import",
    cls=Command,
    examples=(("testbed runs import run.tar.gz", "then `testbed show`, `cost`, `report`, `replay`"),),
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@json_option
def import_(file: Path, json: bool) -> None:
    """Take in a run that was exported elsewhere; print its id.

    Every byte is checked. Where the processor or a library is another one than the run was made with, that is said: a
    replay need not give the same model then.
    """
    from emulator.worlds import home
    from testbed.runs import opened
    from trainer.record import versions
    from trainer.record.parcel import unpack

    run, digest = unpack(file, home())
    machine = versions.differing(opened(run).versions(), versions.here())
    for entry in machine:
        click.echo(f"{entry['what']} was {entry['recorded']}, and is {entry['here']} here", err=True)
    if json:
        document({"run": run, "sha256": digest, "machine": machine})
    else:
        click.echo(run)
