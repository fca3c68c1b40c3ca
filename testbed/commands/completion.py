"""`testbed completion SHELL`."""

import click
from click.shell_completion import get_completion_class

from testbed.parameters import Command


@click.command(
    "completion",
    cls=Command,
    examples=(
        ('eval "$(testbed completion bash)"', "in ~/.bashrc"),
        ('eval "$(testbed completion zsh)"', "in ~/.zshrc"),
        ("testbed completion fish > ~/.config/fish/completions/testbed.fish", "once"),
    ),
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print what a shell needs to complete names.

    Names of commands and options, of worlds, their places, and runs.
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"no completion for {shell}")
    click.echo(kind(ctx.find_root().command, {}, "testbed", "_TESTBED_COMPLETE").source())
