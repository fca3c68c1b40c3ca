from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from testbed.cli import commands
from testbed.parameters import Command
from testbed.reference import page

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "commands.md"
TOP = commands.make_context("testbed", ["ls"], resilient_parsing=True)


def _all(group: click.Group = commands, ctx: click.Context = TOP) -> Iterator[tuple[str, click.Command, click.Context]]:
    """Every command: its words, itself, and the context that it would run in."""
    for name in group.list_commands(ctx):
        command = group.get_command(ctx, name)
        assert command is not None
        own = click.Context(command, info_name=name, parent=ctx)
        if isinstance(command, click.Group):
            yield from _all(command, own)
        else:
            yield own.command_path.removeprefix("testbed "), command, own


EVERY = {words: (command, ctx) for words, command, ctx in _all()}


def test_the_reference_page_is_what_the_commands_say_of_themselves() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m testbed.reference > docs/reference/commands.md"


@pytest.mark.parametrize("words", EVERY)
def test_every_command_shows_examples(words: str) -> None:
    command, ctx = EVERY[words]
    assert isinstance(command, Command)
    assert command.examples
    assert "Examples:" in command.get_help(ctx)


@pytest.mark.parametrize("words", EVERY)
def test_every_option_is_an_environment_variable_of_its_own_name(words: str) -> None:
    command, ctx = EVERY[words]
    for option in (parameter for parameter in command.params if isinstance(parameter, click.Option)):
        typed = max(option.opts, key=len).lstrip("-").replace("-", "_").upper()
        read = option.envvar or f"{ctx.auto_envvar_prefix}_{(option.name or '').upper()}"
        assert read == f"TESTBED_{words.upper().replace(' ', '_')}_{typed}"
