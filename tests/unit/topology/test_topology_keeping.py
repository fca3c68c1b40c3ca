"""A kept topology is the same topology, and a damaged one is refused."""

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from topology_texts import Load

from emulator.errors import WrongInput
from emulator.topology import (
    Cohort,
    Compute,
    Direction,
    Hub,
    Link,
    Pacs,
    Site,
    Topology,
    Training,
    dump,
    revive,
)

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
PLAIN = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
)
VALUES = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=8
)
OPTIONS = st.dictionaries(TEXTS, VALUES, max_size=3)
SECONDS = st.floats(0, 10)
SHARES = st.floats(0, 1)
DIRECTIONS = st.builds(Direction, st.integers(1000, 10**11), SECONDS, SECONDS, SHARES)
LINKS = st.builds(Link, TEXTS, DIRECTIONS, DIRECTIONS)
CLASSES = st.fixed_dictionaries({name: st.integers(0, 5000) for name in ("control", "mci", "ad")})
MODALITIES = st.sampled_from([("mr",), ("pet",), ("mr", "pet")])
COHORTS = st.builds(
    Cohort,
    st.just("phantom"),
    st.integers(1, 5000),
    CLASSES,
    TEXTS,
    MODALITIES,
    st.sampled_from(["single-frame", "multi-frame"]),
)
SITES = st.builds(
    Site,
    st.integers(1, 2000),
    TEXTS,
    TEXTS,
    st.sampled_from(["namespace", "vm"]),
    LINKS,
    st.builds(Pacs, TEXTS, TEXTS, OPTIONS),
    COHORTS,
    st.builds(Compute, SECONDS),
)
COUNTS = st.integers(1, 1000)
TRAININGS = st.builds(Training, TEXTS, TEXTS, COUNTS, COUNTS, COUNTS, SECONDS, SHARES, st.booleans(), OPTIONS)
TOPOLOGIES = st.builds(
    Topology, TEXTS, st.integers(0, 2**63 - 1), st.builds(Hub, LINKS), st.lists(SITES, max_size=3).map(tuple), TRAININGS
)


@given(TOPOLOGIES)
def test_every_topology_is_revived_exactly(topology: Topology) -> None:
    revived = revive(dump(topology))
    assert revived == topology
    assert repr(revived) == repr(topology)  # tells 1 from 1.0 and lists from tuples, which == does not


def test_a_loaded_topology_is_revived_exactly(loaded: Load) -> None:
    topology = loaded(
        "name: x\npacs: {p: {flavour: orthanc, deep: [1, {a: null, b: 1.5}]}}\nsites: [{name: a, pacs: p}]"
    )
    assert repr(revive(dump(topology))) == repr(topology)


def test_what_is_kept_is_json_that_anyone_can_read(loaded: Load) -> None:
    kept = json.loads(dump(loaded("name: x\nsites: [{name: a, link: vdsl}]")))
    up = kept["sites"][0]["link"]["up"]
    assert (up["rate_bps"], up["delay_s"], up["jitter_s"], up["loss"]) == (10_000_000, 0.0175, 0.005, 0.001)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"name": "x"}', "[" * 100_000, "\0"])
def test_a_damaged_topology_is_refused(text: str) -> None:
    with pytest.raises(WrongInput, match="damaged or of another version"):
        revive(text)


def test_the_plain_types_are_imported_without_numpy_and_yaml() -> None:
    """Every command and every process of a world imports them; few read a topology."""
    heavy = "print([name for name in ('numpy', 'ruamel', 'pydantic') if name in sys.modules])"
    code = f"import sys, emulator.topology.resolved, emulator.topology; {heavy}"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert ran.stdout.strip() == "[]"
