"""Where words go: one JSON document on stdout when it is asked for, people's text beside it on stderr.

rich is imported where something is drawn with it: that takes longer than many commands do.
"""

import json as encoder
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

NO_TERMINAL_WIDTH = 300  # rich takes 80 columns for a pipe, which cuts tables of fifty sites


def console(stderr: bool = False) -> "Console":
    """A rich console that leaves words as they are: no guessed colours, no markup read from names."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else NO_TERMINAL_WIDTH
    return Console(stderr=stderr, width=width, highlight=False, markup=False, soft_wrap=False)


def table(*columns: str, left: int = 1) -> "Table":
    """A table without boxes: the first `left` columns are names, the others figures; no cell is broken up."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    made = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for place, column in enumerate(columns):
        made.add_column(column, justify="left" if place < left else "right", no_wrap=True)
    return made


def people(json: bool) -> "Console":
    """The console for what a person reads: stdout, or stderr when stdout belongs to the JSON document."""
    return console(stderr=json)


def document(content: Mapping[str, Any]) -> None:
    """Prints `content` as the command's one JSON document."""
    click.echo(encoder.dumps(content, indent=2, ensure_ascii=False, allow_nan=False))


def complain(message: str) -> None:
    """Prints an error to stderr, several lines as they are."""
    click.secho("testbed: ", nl=False, err=True, fg="red", bold=True)
    click.echo(message, err=True)
