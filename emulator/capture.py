"""Packets of a place, as pcapng, by Wireshark's own dumpcap."""

import json
import shutil
import subprocess
from pathlib import Path

from emulator.errors import CannotHere, Fell
from emulator.places import HUB_ADDRESS, subnet
from emulator.reach import Attached
from emulator.wiring import ROUTER_PORT
from emulator.worlds import World

_LAN = "lan"  # the bridge itself: what it carries is seen at its ports


def start(world: World, place: str, file: Path, for_s: float | None) -> Attached:
    """Begin to capture every interface of a place into `file`, until it is signalled or `for_s` seconds have passed.

    The file names the interfaces, the world, the place and its addresses. Raises `CannotHere` without dumpcap.
    """
    if shutil.which("dumpcap") is None:
        raise CannotHere("dumpcap is not installed here; apt-get install tshark")
    argv = ["dumpcap", "-q", "-w", str(file), "--capture-comment", _comment(world, place)]
    for interface in interfaces(world, place):
        argv += ["-i", interface]
    if for_s is not None:
        argv += ["-a", f"duration:{for_s:g}"]
    return world.run(place, argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def interfaces(world: World, place: str) -> list[str]:
    """What there is to listen at: on the WAN the router's port, elsewhere all cables."""
    if place == "wan":
        return [ROUTER_PORT]
    code, printed = world.output(place, ["ip", "-json", "link", "show", "up"])
    if code:
        raise Fell(f"{place}: its interfaces could not be listed: {printed.strip()}")
    names = [link["ifname"] for link in json.loads(printed) if "LOOPBACK" not in link["flags"]]
    return [name for name in names if name != _LAN]


def _comment(world: World, place: str) -> str:
    sites = {site.name: site for site in world.topology.sites}
    site = sites.get(place.split("/")[0])
    link = f"; access link '{site.link.profile}', LAN {subnet(site.index)}" if site else ""
    return f"testbed world '{world.name}', {place}; hub {HUB_ADDRESS}{link}"
