"""`testbed status [WORLD]`."""

from collections.abc import Mapping
from typing import Any

import click
from rich.text import Text

from testbed.output import document, people, table
from testbed.parameters import Command, json_option, world_argument
from testbed.units import counted, octets, rate, seconds


@click.command(
    "status",
    cls=Command,
    examples=(
        ("testbed status", "the only world, site by site, each PACS asked now"),
        ("testbed status --json | jq '[.sites[].pacs.answers] | all'", "whether every PACS answers"),
    ),
)
@world_argument
@json_option
def command(world: str | None, json: bool) -> None:
    """Show one world, site by site.

    Each PACS is asked now, from inside its site, what it is and how much it holds.
    """
    from emulator.worlds import World
    from testbed.inspection import inspect

    found = inspect(World.open(world))
    if json:
        document(found)
    else:
        _show(found)


def _show(found: Mapping[str, Any]) -> None:
    out = people(json=False)
    names = ("site", "group", "machine", "state", "address", "PACS", "link", "checked")
    shown = table(*names, "down", "up", "RTT", "studies", "instances", left=len(names))
    for site in found["sites"]:
        shown.add_row(*_row(site))
    out.print(shown)
    for site in found["sites"]:
        if not site["pacs"]["answers"]:
            out.print(f"{site['name']}: {site['pacs']['error']}", soft_wrap=True)
        for toxic in site.get("toxics", ()):
            out.print(f"{site['name']}: {_toxic(toxic)}", soft_wrap=True)
        if "toxics_error" in site:
            out.print(f"{site['name']}: {site['toxics_error']}", soft_wrap=True)
    for flow in found["traffic"]:
        out.print(_flow(flow), soft_wrap=True)
    refused = found["policy"]["refused"]
    if refused["packets"]:
        senders = [name for name, one in refused["by_sender"].items() if one["packets"]]
        out.print(
            f"the policy refused {counted(refused['packets'], 'packet')}, of {', '.join(senders)}", soft_wrap=True
        )
    answering = sum(site["pacs"]["answers"] for site in found["sites"])
    size = f"{octets(found['memory_bytes'])} of memory; up after {seconds(found['up_s'])}"
    wan = f"WAN by the {found['wan']['kernel']} kernel"
    answers = f"{answering} of {len(found['sites'])} PACS answer"
    if "warehouse" in found:
        pacs = found["warehouse"]["pacs"]
        out.print(f"warehouse at the hub: {pacs['flavour']} {pacs['version']}, {counted(pacs['studies'], 'study')}")
    out.print(f"{found['world']} is {found['state']}: {answers}; {size}; {wan}", soft_wrap=True)


def _flow(flow: Mapping[str, Any]) -> str:
    """`traffic hub → lyon: web 20 Mbit/s, 2 s on and 8 s off`."""
    spells = f", {seconds(flow['on_s'])} on and {seconds(flow['off_s'])} off" if flow["pattern"] == "web" else ""
    line = f"traffic {flow['source']} → {flow['target']}: {flow['pattern']} {rate(flow['rate_bps'])}{spells}"
    return line if flow["running"] else f"{line}; its generator has ended: bring the world up again"


def _checked(check: Mapping[str, Any] | None) -> Text:
    if check is None:
        return Text("-")
    return Text(check["verdict"], style="green" if check["verdict"] == "ok" else "bold red")


def _row(site: Mapping[str, Any]) -> list[str | Text]:
    pacs, down, up = site["pacs"], site["link"]["down"], site["link"]["up"]
    return [
        site["name"],
        site["group"],
        _machine(site),
        Text(site["state"], style="green" if site["state"] == "up" else "bold red"),
        site["address"],
        f"{pacs['flavour']} {pacs['version']}",
        _link(site["link"]),
        _checked(site["check"]),
        rate(down["rate_bps"]),
        rate(up["rate_bps"]),
        seconds(down["delay_s"] + up["delay_s"]),
        str(pacs["studies"]),
        str(pacs["instances"]),
    ]


def _machine(site: Mapping[str, Any]) -> str:
    """`vm debian-12, TCG`."""
    guest = site.get("guest")
    return f"{site['machine']} {guest['image']}, {(guest['accelerator'] or '?').upper()}" if guest else site["machine"]


_UNITS = (("_bytes", octets), ("_bps", rate), ("_s", seconds))


def _toxic(toxic: Mapping[str, Any]) -> str:
    """`latency on dicomweb: latency 200 ms, jitter 50 ms; downstream, 50 % of connections`."""
    figures = [
        f"{key.removesuffix(unit)} {told(value)}"
        for key, value in toxic.items()
        for unit, told in _UNITS
        if key.endswith(unit)
    ]
    line = f"{toxic['toxic']} on {toxic['on']}" + (f": {', '.join(figures)}" if figures else "")
    return f"{line}; {toxic['stream']}, {100 * toxic['toxicity']:g} % of connections" if "stream" in toxic else line


def _link(link: Mapping[str, Any]) -> Text:
    marks = [word for word in ("varies", "changed") if link[word]]
    return Text(" ".join([link["profile"], *(f"({word})" for word in marks)]), style="bold" if marks else "")
