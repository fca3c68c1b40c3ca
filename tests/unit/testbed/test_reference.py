from pathlib import Path

import click
import pytest

from testbed.cli import NAMES, commands
from testbed.parameters import Command
from testbed.reference import page

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "commands.md"
TOP = commands.make_context("testbed", ["ls"], resilient_parsing=True)


def test_the_reference_page_is_what_the_commands_say_of_themselves() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m testbed.reference > docs/reference/commands.md"


@pytest.mark.parametrize("name", NAMES)
def test_every_command_shows_examples(name: str) -> None:
    command = commands.get_command(TOP, name)
    assert isinstance(command, Command)
    assert command.examples
    assert "Examples:" in command.get_help(click.Context(command, info_name=name, parent=TOP))


@pytest.mark.parametrize("name", NAMES)
def test_every_option_is_an_environment_variable_of_its_own_name(name: str) -> None:
    command = commands.get_command(TOP, name)
    assert command is not None
    ctx = click.Context(command, info_name=name, parent=TOP)
    for option in (parameter for parameter in command.params if isinstance(parameter, click.Option)):
        typed = max(option.opts, key=len).lstrip("-").replace("-", "_").upper()
        read = option.envvar or f"{ctx.auto_envvar_prefix}_{(option.name or '').upper()}"
        assert read == f"TESTBED_{name.upper()}_{typed}"
