"""The faults of a document as a run takes them, in its order; and what is wrong among them."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from emulator.faults import registry
from emulator.topology import drawing
from emulator.topology.faults import FaultDocument
from emulator.topology.policy import HUB, named
from emulator.topology.problems import Problem, quoted
from emulator.topology.resolved import PlannedFault, Site
from emulator.topology.tree import Items, Node, at, child
from emulator.topology.words import SELECTORS

ALL, ANY, SLOWEST = SELECTORS


def planned(entries: Sequence[FaultDocument], sites: Sequence[Site], seed: int) -> tuple[PlannedFault, ...]:
    """Every entry with the sites that it is about."""
    return tuple(_planned(number, entry, sites, seed) for number, entry in enumerate(entries))


def _planned(number: int, entry: FaultDocument, sites: Sequence[Site], seed: int) -> PlannedFault:
    words = [entry.on] if isinstance(entry.on, str) else entry.on
    on = tuple(dict.fromkeys(target for word in words for target in _targets(word, sites, seed, number)))
    settings = {key: _written(value) for key, value in (entry.model_extra or {}).items()}
    return PlannedFault(entry.fault, on, entry.at, entry.lasting, entry.chance, settings)


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _targets(word: str, sites: Sequence[Site], seed: int, number: int) -> list[str]:
    if word == HUB:
        return [HUB]
    if found := named(word, sites):
        return [site.name for site in found]
    if word == ALL:
        return [site.name for site in sites]
    if word == SLOWEST:
        return [min(sites, key=lambda site: (site.link.up.rate_bps, site.index)).name]
    return [sites[int(drawing.stream(seed, f"fault {number}", ANY).integers(len(sites)))].name]


def wrong(entries: Sequence[FaultDocument], tree: Node) -> Iterator[Problem]:
    """Faults that have no end or need none, that can't be where they are asked for, or that contradict each other."""
    nodes = child(tree, "faults")
    written = list(zip(entries, nodes.items if isinstance(nodes, Items) else (), strict=True))
    for entry, node in written:
        kind = registry.get(entry.fault)
        if kind.lasts and entry.lasting is None:
            yield Problem.told(
                node.position, f"{quoted(entry.fault)} with no end", "'for: 30s'", "say how long it lasts"
            )
        if not kind.lasts and entry.lasting is not None:
            found = f"'for' at {quoted(entry.fault)}"
            yield Problem.told(at(node, ("for",)).position, found, "no 'for'", "it is over at once: take it out")
        words = [entry.on] if isinstance(entry.on, str) else entry.on
        misplaced = [w for w in words if (HUB if w == HUB else "site") not in kind.where]
        if misplaced:
            expected = f"{' or '.join(kind.where)}: this fault can be nowhere else"
            yield Problem.told(at(node, ("on",)).position, quoted(misplaced[0]), expected)
    yield from _contradictions(written)


def _contradictions(written: Sequence[tuple[FaultDocument, Node]]) -> Iterator[Problem]:
    """Two that take hold of the same thing at the same moment."""
    first: dict[tuple[object, ...], Node] = {}
    for entry, node in written:
        taken = registry.get(entry.fault).takes
        for word in [entry.on] if isinstance(entry.on, str) else entry.on:
            if taken is None or entry.chance < 1:
                continue
            same = first.setdefault((taken, word, entry.at), node)
            if same is not node:
                found = f"{quoted(entry.fault)} on {quoted(word)} at a moment when another takes hold of {taken}"
                where = f"the other is at {same.position.line}:{same.position.column}; move one, or leave it out"
                yield Problem.told(node.position, found, "one at a time", where)
