"""What the agent asks of the kernel is what `ip` then reads back, and a refusal says which order and why."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from emulator import ledger
from emulator.inside import netlink
from emulator.orders import Address, Bridge, Cable, Change, Forward, Isolation, Neighbour, Order, Removal, Route

pytestmark = pytest.mark.integration

_CARRIED_OUT = """
import json, os, sys
sys.path.insert(0, sys.argv[1])
from emulator.inside import netlink, nftables
given = json.load(sys.stdin)
try:
    netlink.carry_out(given["orders"], str)
    nftables.apply(given["rules"])
except OSError as error:
    print(error)
    sys.exit(1)
os.execvp("sh", ["sh", "-c", given["look"]])
"""


def _there(orders: list[Order], look: str, rules: str = "") -> tuple[int, str]:
    """Carry out orders in a network of its own; the exit code and output of a look at it, or the refusal."""
    isolated = ["unshare", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"]), "--net"]
    argv = [*isolated, sys.executable, "-I", "-S", "-c", _CARRIED_OUT, str(Path(__file__).parents[2])]
    text = json.dumps({"orders": orders, "rules": rules, "look": look}, default=vars)
    done = subprocess.run(argv, input=text, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def _read(orders: list[Order], look: str) -> list[dict[str, Any]]:
    code, said = _there(orders, look)
    assert code == 0, said
    found: list[dict[str, Any]] = json.loads(said)
    return found


_NEAR = Change("a", mac="02:00:00:00:00:0a", mtu=9000, up=True)
_CABLE = Cable(_NEAR, Change("b", mac="02:00:00:00:00:0b", mtu=9000), None)


def test_a_cable_has_the_names_addresses_and_sizes_that_were_ordered() -> None:
    raised = Change("b", up=True, single_packets=True, promiscuous=True)
    links = {link["ifname"]: link for link in _read([_CABLE, raised], "ip -d -j link")}
    assert {name: (links[name]["address"], links[name]["mtu"]) for name in "ab"} == {
        "a": ("02:00:00:00:00:0a", 9000),
        "b": ("02:00:00:00:00:0b", 9000),
    }
    assert links["a"]["link"] == "b"
    assert links["b"]["gso_max_segs"] == 1
    assert {"UP", "LOWER_UP"} <= set(links["a"]["flags"])
    assert {"UP", "LOWER_UP", "PROMISC"} <= set(links["b"]["flags"])


def test_an_isolated_port_learns_nothing_and_knows_what_it_was_told() -> None:
    port = Cable(Change("a", bridge="lan", up=True), Change("b"), None)
    orders = [Bridge("lan", "02:00:00:00:00:01", 1500), port, Isolation("a"), Forward("a", "02:00:00:00:00:0c")]
    links = {link["ifname"]: link for link in _read(orders, "ip -d -j link")}
    assert links["lan"]["address"] == "02:00:00:00:00:01"
    assert links["a"]["master"] == "lan"
    told = links["a"]["linkinfo"]["info_slave_data"]
    expected = {"isolated": True, "learning": False, "flood": False, "mcast_flood": False, "bcast_flood": False}
    assert {name: told[name] for name in expected} == expected
    known = _read(orders, "bridge -j fdb show br lan")
    assert any(entry["mac"] == "02:00:00:00:00:0c" and entry["ifname"] == "a" for entry in known)


def test_a_way_out_leads_to_a_neighbour_that_is_known_for_good() -> None:
    way = Route("a", "100.64.0.1", onlink=True, source="10.0.0.2", mtu=1400)
    orders = [
        _CABLE,
        Change("b", up=True),
        Address("a", "10.0.0.2", 32),
        way,
        Neighbour("a", "100.64.0.1", "02:00:00:00:00:0d"),
    ]
    (route,) = _read(orders, "ip -j route show default")
    assert (route["gateway"], route["dev"], route["prefsrc"]) == ("100.64.0.1", "a", "10.0.0.2")
    assert route["flags"] == ["onlink"]
    assert route["metrics"] == [{"mtu": 1400}]
    (neighbour,) = _read(orders, "ip -j neighbour show dev a")
    assert (neighbour["dst"], neighbour["lladdr"], neighbour["state"]) == (
        "100.64.0.1",
        "02:00:00:00:00:0d",
        ["PERMANENT"],
    )


def test_removing_one_end_of_a_cable_removes_both() -> None:
    assert [link["ifname"] for link in _read([_CABLE, Removal("a")], "ip -j link")] == ["lo"]


@pytest.mark.parametrize(
    ("order", "words"),
    [
        (_CABLE, ("cable a b", "File exists")),
        (Change("nowhere", up=True), ("change nowhere: ", "no interface with this name")),
        (Route("a", "192.0.2.1"), ("route a 192.0.2.1", "Nexthop has invalid gateway")),
        (Change("a", mtu=70000), ("change a 70000", "mtu greater than device maximum")),
    ],
)
def test_a_refusal_names_the_order_and_gives_the_kernels_reason(order: Order, words: tuple[str, ...]) -> None:
    code, said = _there([_CABLE, order], "true")
    assert code == 1
    assert all(word in said for word in words), said


def test_rules_that_nftables_does_not_understand_are_refused_in_its_own_words() -> None:
    code, said = _there([], "true", rules="table netdev broken { nonsense }\n")
    assert code == 1
    assert "syntax error" in said


_BYTES = some.binary(max_size=40)


@given(some.lists(some.tuples(some.integers(0, 0x3FFF), _BYTES), max_size=6))
def test_attributes_are_aligned_and_carry_what_they_were_given(pairs: list[tuple[int, bytes]]) -> None:
    encoded = b"".join(netlink._attribute(kind, value) for kind, value in pairs)
    assert len(encoded) % 4 == 0
    assert list(ledger.attributes(encoded)) == pairs
