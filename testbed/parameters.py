"""What commands share: help with examples, and arguments and options that mean the same everywhere."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from emulator.errors import WrongInput
from testbed.completion import complete_runs, complete_worlds

Decorated = TypeVar("Decorated", bound=Callable[..., Any])
Example = tuple[str, str]


class Command(click.Command):
    """A click command whose help ends with examples: pairs of a command line and what it is for."""

    def __init__(self, *args: Any, examples: Sequence[Example] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = tuple(examples)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        if not self.examples:
            return
        with formatter.section("Examples"):
            for line, purpose in self.examples:
                formatter.write(f"{'':{formatter.current_indent}}{line}\n")
                formatter.write(f"{'':{formatter.current_indent + 4}}{purpose}\n")


class CommandGroup(Command, click.Group):
    """A command that has commands of its own."""


def json_option(function: Decorated) -> Decorated:
    """`--json`: one JSON document on stdout and nothing else."""
    return click.option("--json", is_flag=True, help="Print one JSON document on stdout, all else on stderr.")(function)


def world_argument(function: Decorated) -> Decorated:
    """`[WORLD]`: a world's name; None stands for the only one that is up."""
    return click.argument("world", required=False, shell_complete=complete_worlds)(function)


def run_argument(function: Decorated) -> Decorated:
    """`[RUN]`: a run's id; None stands for the newest."""
    return click.argument("run", required=False, shell_complete=complete_runs)(function)


def topology_argument(function: Decorated) -> Decorated:
    """`TOPOLOGY`: an existing file."""
    kind = click.Path(exists=True, dir_okay=False, path_type=Path)
    return click.argument("topology", type=kind)(function)


def world_and_site(words: Sequence[str]) -> tuple[str | None, str]:
    """`[WORLD] SITE`: a world's name, or None for the only one that is up, and a site's. Raises `WrongInput`."""
    if not 1 <= len(words) <= 2:
        raise WrongInput(f"a site is wanted: [WORLD] SITE; found '{' '.join(words) or 'nothing'}'")
    return (words[0] if len(words) == 2 else None), words[-1]
