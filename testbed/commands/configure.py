"""`testbed configure [WORLD] PLAYBOOK`."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from emulator.errors import WrongInput
from testbed import progress
from testbed.completion import complete_sites
from testbed.output import document, people, table
from testbed.parameters import Command, json_option

if TYPE_CHECKING:
    from testbed.configuring import Configured

FELL_SHORT = 1


@click.command(
    "configure",
    cls=Command,
    examples=(
        ("testbed configure my.yml", "a playbook on all virtual machines of the only world"),
        ("testbed configure mixed-machines my.yml --limit lyon --limit image_debian_13", "on some of them"),
        ("testbed configure my.yml --json | jq '.hosts[] | select(.ok | not)'", "which hosts failed"),
    ),
)
@click.argument("words", nargs=-1, required=True, metavar="[WORLD] PLAYBOOK")
@click.option(
    "--limit",
    multiple=True,
    metavar="SITE",
    shell_complete=complete_sites,
    help="Only this site, or group of them; may be given several times.",
)
@json_option
def command(words: tuple[str, ...], limit: tuple[str, ...], json: bool) -> int:
    """Play an Ansible playbook on a world's virtual machines.

    What Ansible did is kept below the world's folder until `down`. Ends with exit code 1 where hosts failed or could
    not be reached.
    """
    from emulator.worlds import World
    from testbed.configuring import configure

    world, playbook = _split(words)
    opened = World.open(world)
    with progress.shown() as report:
        found = configure(opened, playbook, limit, report)
    if json:
        document(_said(found))
    _show(found, json)
    return 0 if found.ok else FELL_SHORT


def _split(words: tuple[str, ...]) -> tuple[str | None, Path]:
    if len(words) > 2:
        raise WrongInput(f"configure takes a world and a playbook; found '{' '.join(words)}'")
    playbook = Path(words[-1])
    if not playbook.is_file():
        raise WrongInput(f"{playbook}: no such playbook; expected testbed configure [WORLD] PLAYBOOK")
    return (words[0] if len(words) == 2 else None), playbook.absolute()


def _said(found: "Configured") -> dict[str, Any]:
    return {"ok": found.ok, "hosts": [asdict(host) for host in found.hosts], "artefacts": str(found.artefacts)}


def _show(found: "Configured", json: bool) -> None:
    out = people(json)
    shown = table("site", "", "changed", left=2)
    for host in found.hosts:
        shown.add_row(host.site, "done" if host.ok else "failed", str(host.changed))
    out.print(shown)
    for host in found.hosts:
        if host.why:
            out.print(f"{host.site}: {host.why}", soft_wrap=True)
    out.print(f"what Ansible said: {found.artefacts}", soft_wrap=True)
