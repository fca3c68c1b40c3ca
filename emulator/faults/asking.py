"""A fault as it is typed: its targets and settings, told wrong in the words of topologies."""

from collections.abc import Mapping, Sequence

from pydantic import ValidationError

from emulator.errors import WrongInput
from emulator.faults.fault import HUB, Fault
from emulator.faults.registry import get
from emulator.topology import wording
from emulator.topology.parsing import parse
from emulator.topology.problems import NotYaml, Position, printable
from emulator.topology.tree import Entries, Node
from emulator.topology.words import Known, Words, advice

_START = Position(1, 1)
_NO_WORDS = Words.of(Known(*(frozenset[str](),) * 4), (), (), (), ())


def asked(name: str, settings: Mapping[str, str], on: Sequence[str], sites: Sequence[str]) -> Fault:
    """The fault of that name with its settings as typed, which can be `on` these targets of a world with these sites.

    Raises `WrongInput` with all that is wrong.
    """
    kind = get(name)
    wrong = [*_unknown(name, kind, settings), *_misplaced(name, kind, on, sites)]
    if wrong:
        raise WrongInput("\n".join(wrong))
    nodes = {key: _node(key, text) for key, text in settings.items()}
    tree = Entries(_START, dict.fromkeys(nodes, _START), nodes, 1 + len(nodes), 1)
    try:
        return kind.model_validate(tree.plain())
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        told = wording.problems(details, tree, _NO_WORDS)
        raise WrongInput("\n".join(printable(f"--set {problem.text}") for problem in told)) from error


def _node(key: str, text: str) -> Node:
    """What it would be in a topology."""
    try:
        node, wrong = parse(text)
    except NotYaml as refused:
        raise WrongInput(printable(f"--set {key}: {refused.problem.text}")) from refused
    if wrong:
        raise WrongInput(printable(f"--set {key}: {wrong[0].text}"))
    return node


def _unknown(name: str, kind: type[Fault], settings: Mapping[str, str]) -> list[str]:
    known = set(kind.model_fields)
    return [f"--set {key}: '{name}' has no such setting; {advice(key, known)}" for key in settings if key not in known]


def _misplaced(name: str, kind: type[Fault], on: Sequence[str], sites: Sequence[str]) -> list[str]:
    wrong = []
    for target in on:
        where = HUB if target == HUB else "site"
        if where == "site" and target not in sites:
            wrong.append(f"--on {target}: no site of this world; {advice(target, [*sites, HUB])}")
        elif where not in kind.where:
            wrong.append(f"--on {target}: '{name}' can be at {' or '.join(f'a {w}' for w in kind.where)} only")
    return wrong
