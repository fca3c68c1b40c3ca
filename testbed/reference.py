"""The reference page of the commands, from their own help.

`python -m testbed.reference > docs/reference/commands.md` writes it.
"""

from collections.abc import Iterator

import click

from testbed.cli import NAMES, commands
from testbed.parameters import Command

WIDTH = 100
HEAD = """# Commands

<!-- Written by `python -m testbed.reference`; change the commands' help, not this page. -->

`testbed COMMAND …`. WORLD may be left out where one world is up, RUN where the newest is meant. With
`--json` a command prints one JSON document on stdout and nothing else; what a person reads goes to stderr.
Long work shows progress on stderr: bars on a terminal, one line a step elsewhere. Every option is also an
environment variable, named with each command; an option that may be given several times takes several words
there. State lives under `$TESTBED_HOME` (default: the XDG data folder): `worlds/`, `runs/`, `cache/`.

| exit code | means |
| --- | --- |
| 0 | done |
| 1 | what was measured or compared fell short |
| 2 | wrong input or usage |
| 3 | this machine can't; the message says what is missing and how to get it |
| 4 | the world or run is not in the state that this needs |
| 130 | interrupted |

`exec` ends with the exit code of the command that it ran (128 and the signal's number where a signal ended
it). The shell completes commands, options, worlds, places and runs: see [completion](#completion).
"""


def page() -> str:
    """The whole page, as Markdown."""
    top = commands.make_context("testbed", [NAMES[0]], resilient_parsing=True)
    return "\n".join([HEAD, *(section for name in NAMES for section in _sections(commands, top, name))])


def _sections(group: click.Group, parent: click.Context, name: str) -> Iterator[str]:
    """A command's section, or that of a group and then those of its commands."""
    command = group.get_command(parent, name)
    if not isinstance(command, Command | click.Group):
        raise TypeError(f"{parent.command_path} {name} is no Command")
    ctx = click.Context(
        command, info_name=name, parent=parent, terminal_width=WIDTH, max_content_width=WIDTH, show_default=True
    )
    title = ctx.command_path.removeprefix("testbed ")
    variables = ", ".join(f"`{variable}`" for variable in _variables(ctx))
    said = f"\nEnvironment: {variables}\n" if variables else ""
    yield f"## {title}\n\n```text\n{command.get_help(ctx)}\n```\n{said}"
    if isinstance(command, click.Group):
        for inner in command.list_commands(ctx):
            yield from _sections(command, ctx, inner)


def _variables(ctx: click.Context) -> Iterator[str]:
    """The variable of every option, as click reads it."""
    for parameter in ctx.command.params:
        if isinstance(parameter, click.Option):
            yield str(parameter.envvar or f"{ctx.auto_envvar_prefix}_{(parameter.name or '').upper()}")


if __name__ == "__main__":
    click.echo(page(), nl=False)
