"""Scenarios: faults in files of their own, for any topology that has what they name."""

from pathlib import Path

from pydantic import ValidationError

from emulator.topology import happening, options, problems, wording
from emulator.topology.faults import ScenarioDocument
from emulator.topology.parsing import parse
from emulator.topology.problems import NotYaml, Problem
from emulator.topology.reading import read
from emulator.topology.resolved import PlannedFault, Topology
from emulator.topology.tree import Node
from emulator.topology.words import Known, Words

_NONE = Known(*(frozenset[str](),) * 4)


def load_scenario(path: Path, topology: Topology, seed: int) -> tuple[PlannedFault, ...]:
    """The faults of the scenario in a file, at the sites of a topology; draws are made from `seed`.

    Raises `TopologyErrors` with every problem in it, a site that the topology has not among them; `WrongInput` where
    the file can't be read.
    """
    try:
        tree, found = parse(read(path))
    except NotYaml as refused:
        raise problems.errors(path, [refused.problem]) from refused
    sites = {name for site in topology.sites for name in (site.name, site.group)}
    words = Words.of(_NONE, (), (), (), sites)
    document, wrong = _checked(tree, words)
    if document is None or found or wrong:
        raise problems.errors(path, [*found, *wrong])
    return happening.planned(document.faults, topology.sites, seed)


def _checked(tree: Node, words: Words) -> tuple[ScenarioDocument | None, list[Problem]]:
    wrong = wording.problems(options.wrong(tree, words), tree, words, ScenarioDocument)
    try:
        document = ScenarioDocument.model_validate(tree.plain(), context=words)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        return None, wrong + wording.problems(details, tree, words, ScenarioDocument)
    return document, wrong + list(happening.wrong(document.faults, tree))
