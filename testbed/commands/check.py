"""`testbed check [WORLD]`."""

import shutil
from collections.abc import Mapping
from typing import Any

import click
from rich.text import Text

from emulator.errors import CannotHere
from testbed import progress
from testbed.output import document, people, table
from testbed.parameters import Command, json_option, world_argument
from testbed.units import counted, percent, rate, seconds

OUT_OF_BOUNDS = 1
TOOLS = {"iperf3": "iperf3", "ping": "iputils-ping", "ss": "iproute2"}


@click.command(
    "check",
    cls=Command,
    examples=(
        ("testbed check", "every link of the only world: as asked, or not and why"),
        ("testbed check fifty-sites && testbed train fifty-sites", "train only over links that are as asked"),
        ("testbed check --json | jq -r '.links[] | select(.verdict != \"ok\") | .site'", "the sites whose link strays"),
    ),
)
@world_argument
@json_option
def command(world: str | None, json: bool) -> int:
    """Measure each link against what was asked.

    The whole path between each site and the hub: idle round-trip time and losses by ping, rates by iperf3. What is out
    of bounds (the topology's `fidelity` sets them) is measured again before it is told. Ends with exit code 1 where a
    link is out of bounds. Not while a training runs. Fifty sites take about two minutes.
    """
    from emulator.fidelity.check import check
    from testbed.training import up

    _prove()
    with progress.shown() as report:
        found = check(up(world), report)
    if json:
        document(found)
    _show(found, json)
    return 0 if found["verdict"] == "ok" else OUT_OF_BOUNDS


def _prove() -> None:
    missing = [package for program, package in TOOLS.items() if shutil.which(program) is None]
    if missing:
        raise CannotHere(f"check measures by programs that are not here: apt-get install {' '.join(missing)}")


def _show(found: Mapping[str, Any], json: bool) -> None:
    out = people(json)
    names = ("RTT asked", "measured", "p99", "down asked", "measured", "up asked", "measured", "loss asked", "measured")
    shown = table("site", *names, "verdict")
    for link in found["links"]:
        shown.add_row(*_row(link))
    out.print(shown)
    stray = [link for link in found["links"] if link["verdict"] != "ok"]
    for link in stray:
        out.print(f"{link['site']}: {'; '.join(link['why'])}", soft_wrap=True)
    links = counted(len(found["links"]), "link")
    out.print(f"{found['world']}: {found['verdict']}; {len(stray)} of {links} out of bounds", soft_wrap=True)


def _row(link: Mapping[str, Any]) -> list[str | Text]:
    rtt, down, up, loss = (link[name] for name in ("rtt_s", "down_bps", "up_bps", "loss"))
    verdict = Text(link["verdict"], style="green" if link["verdict"] == "ok" else "bold red")
    return [
        link["site"],
        seconds(rtt["asked"]),
        "-" if rtt["measured"] is None else seconds(rtt["measured"]),
        "-" if rtt["p99"] is None else seconds(rtt["p99"]),
        rate(down["asked"]),
        rate(down["measured"]),
        rate(up["asked"]),
        rate(up["measured"]),
        percent(loss["asked"]),
        percent(loss["measured"]),
        verdict,
    ]
