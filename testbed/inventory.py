"""A world's virtual machines as Ansible sees them: an inventory in JSON, for `configure` and users' own playbooks."""

import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from emulator.errors import TestbedError, WrongState
from emulator.places import pacs_address
from emulator.topology import Site, Topology
from emulator.worlds import World

_AT_ONCE = 8
_RESERVED = {"all", "ungrouped"}  # Ansible's own groups
# A socket into a world keeps its network alive: masters of SSH connections must not outlive what they are for by much.
_OPTIONS = {
    "ProxyUseFdpass": "yes",
    "IdentitiesOnly": "yes",
    "StrictHostKeyChecking": "yes",
    "BatchMode": "yes",
    "LogLevel": "ERROR",
    "ConnectTimeout": "15",
    "ServerAliveInterval": "5",
    "ServerAliveCountMax": "3",
    "ControlMaster": "auto",
    "ControlPersist": "10s",
}


def inventory(topology: Topology, folder: Path) -> dict[str, Any]:
    """Hosts are sites with `machine: vm`, in groups by the topology's group and by image. `folder` is the world's.

    Raises `WrongState` where no site runs on a virtual machine.
    """
    sites = [site for site in topology.sites if site.machine == "vm"]
    if not sites:
        raise WrongState(
            f"no site of world '{folder.name}' runs on a virtual machine; give sites machine: vm, or up --machine vm"
        )
    groups: dict[str, dict[str, Any]] = {}
    for site in sites:
        for group in _groups(site) - {
            site.name for site in sites
        }:  # Ansible wants no group that is called as a host is
            groups.setdefault(group, {"hosts": {}})["hosts"][site.name] = {}
    hosts = {site.name: _host(site, folder) for site in sites}
    return {"all": {"hosts": hosts, "children": groups, "vars": _everybody(folder)}}


def let_in(world: World, sites: Sequence[str]) -> dict[str, str]:
    """Start the SSH servers of these sites' machines, all at once; why those that don't start, by site."""

    def why(site: str) -> str:
        try:
            world.machines.command(f"{site}/pacs", ("true",))  # what is called by SSH needs its server first
        except (TestbedError, OSError) as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(_AT_ONCE) as hands:
        return {site: said for site, said in zip(sites, hands.map(why, sites), strict=True) if said}


def _groups(site: Site) -> set[str]:
    named = {site.group, f"image_{site.guest.image}" if site.guest else "", "testbed"}
    words = {re.sub(r"\W", "_", name) for name in named if name}
    return words - _RESERVED


def _host(site: Site, folder: Path) -> Mapping[str, str]:
    way = shlex.join([sys.executable, "-m", "emulator.passage", str(folder), site.name, "%h", "%p"])
    return {
        "ansible_host": pacs_address(site.index),
        "ansible_ssh_common_args": f"-o {shlex.quote(f'ProxyCommand={way}')}",
        "testbed_site": site.name,
    }


def _everybody(folder: Path) -> Mapping[str, str]:
    keys = folder / "machines"
    options = {**_OPTIONS, "UserKnownHostsFile": str(keys / "known_hosts")}
    return {
        "ansible_user": "root",
        "ansible_python_interpreter": "/usr/bin/python3",
        "ansible_ssh_private_key_file": str(keys / "key"),
        "ansible_ssh_args": shlex.join(word for name, value in options.items() for word in ("-o", f"{name}={value}")),
        "testbed_world": folder.name,
    }
