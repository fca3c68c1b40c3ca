"""Whatever is written, the answer is a topology or problems that name their place: never another exception."""

import json
import random
import re
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from topology_texts import Load

from emulator.errors import TopologyErrors
from emulator.topology import Topology

PLACED = re.compile(r".*x\.yaml:(\d+):(\d+): .*found .+|.*x\.yaml: more problems than these 50; mend these first")
FRAGMENTS = (
    *("name", "sites", "links", "a", "3T", "40ms", "-5mbit", "0", "1e9", "0o9", ".inf", "é", "|", ">-", "---", "..."),
    *(": ", ":", "- ", "? ", "\n", "\n  ", "\n- ", "{", "}", "[", "]", ",", ", ", "'", '"', "#", " #", "@", "`"),
    *("&a ", "*a ", "<<: *a", "!", "!!str ", "%YAML 1.1\n", "%TAG ! ", "\\", "\\x4", "\\U99999999"),
    *("\t", "\r", "\u2028", "\ufeff", "\x85", "\x07", "\x00"),
)
KEYS = (
    *("name", "seed", "hub", "links", "pacs", "defaults", "sites", "training", "link", "machine", "cohort", "compute"),
    *(
        "group",
        "count",
        "rate",
        "down",
        "up",
        "rtt",
        "jitter",
        "loss",
        "note",
        "flavour",
        "studies",
        "classes",
        "scanner",
    ),
    *(
        "modalities",
        "storage",
        "min",
        "max",
        "control",
        "mci",
        "ad",
        "dirichlet",
        "per_sample",
        "speed",
        "task",
        "algorithm",
    ),
    *("toxics", "on", "toxic", "latency", "timeout", "stream", "toxicity", "bytes"),
    *("rounds", "options", "faults", "<<", "=range", "=one", "[key]", ""),
)
WORDS = (
    "a",
    "hub",
    "orthanc",
    "4g",
    "3T",
    "dementia",
    "fedavg",
    "vm",
    "mr",
    "40ms",
    "1mbit",
    "1%",
    "multi-frame",
    "latency",
    "down",
    "2MiB",
    "é\u2028",
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(WORDS) | st.text(max_size=5)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5),
    max_leaves=30,
)
DOCUMENTS = st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=8)
OFTEN = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def _answer(loaded: Load, text: str | bytes) -> None:
    problems = _problems(loaded, text)
    for problem in problems:
        assert PLACED.fullmatch(problem), problem
        assert problem.isprintable()


def _problems(loaded: Load, text: str | bytes) -> tuple[str, ...]:
    """What is wrong; nothing where the text is a topology. Whatever else is raised is for the test to fail by."""
    try:
        topology = loaded(text)
    except TopologyErrors as errors:
        return errors.problems or ("no problem was told",)
    return () if isinstance(topology, Topology) else (f"{topology!r} is no topology",)


@OFTEN
@given(text=st.text() | st.lists(st.sampled_from(FRAGMENTS), max_size=30).map("".join))
def test_any_text_is_answered(loaded: Load, text: str) -> None:
    _answer(loaded, text)


@OFTEN
@given(content=st.binary())
def test_any_bytes_are_answered(loaded: Load, content: bytes) -> None:
    _answer(loaded, content)


@OFTEN
@given(document=DOCUMENTS)
def test_any_document_of_our_own_keys_is_answered(loaded: Load, document: dict[str, Any]) -> None:
    _answer(loaded, json.dumps(document))


@OFTEN
@given(seed=st.integers(0, 2**32))
def test_any_damage_to_a_real_topology_is_answered(loaded: Load, shipped_topologies: Path, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - damage, not secrets
    text = (shipped_topologies / "50_sites.yaml").read_text()
    for _ in range(chance.randint(1, 4)):
        begin = chance.randrange(len(text))
        text = text[:begin] + chance.choice(FRAGMENTS) + text[begin + chance.choice([0, 1, 5, 200]) :]
    _answer(loaded, text)
