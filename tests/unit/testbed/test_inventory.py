import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from face_networks import network

from emulator.errors import WrongState
from emulator.topology import Topology
from testbed.inventory import inventory

FOLDER = Path("/home/of/worlds/testing")


def _on_machines(*names: str) -> Topology:
    topology = network(6)
    sites = [replace(site, machine="vm") if site.name in names else site for site in topology.sites]
    return replace(topology, sites=tuple(sites))


def test_hosts_are_the_virtual_machines_and_groups_those_of_the_topology() -> None:
    found = inventory(_on_machines("chu-01", "clinic-03"), FOLDER)["all"]
    assert set(found["hosts"]) == {"chu-01", "clinic-03"}
    assert {name: set(group["hosts"]) for name, group in found["children"].items()} == {
        "chu": {"chu-01"},
        "clinic": {"clinic-03"},
        "testbed": {"chu-01", "clinic-03"},
    }


def test_a_world_without_virtual_machines_has_no_inventory() -> None:
    with pytest.raises(WrongState, match="machine: vm"):
        inventory(network(3), FOLDER)


def test_ansible_itself_reads_the_inventory(tmp_path: Path) -> None:
    (tmp_path / "hosts.json").write_text(json.dumps(inventory(_on_machines("chu-01"), FOLDER)))
    asked = [str(Path(sys.executable).with_name("ansible-inventory")), "-i", "hosts.json", "--host", "chu-01"]
    told = subprocess.run(asked, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60)
    host = json.loads(told.stdout)
    assert host["ansible_host"] == "10.0.1.2"
    assert "emulator.passage /home/of/worlds/testing chu-01 %h %p" in host["ansible_ssh_common_args"]
