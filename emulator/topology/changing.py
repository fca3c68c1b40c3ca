"""A change of a link as it is typed: `{"rate": "5mbit", "rtt": "80ms"}`, in the words and limits of topologies."""

from collections.abc import Mapping

from pydantic import ValidationError

from emulator.errors import WrongInput
from emulator.topology import wording
from emulator.topology.links import ChangeDocument
from emulator.topology.parsing import parse
from emulator.topology.problems import NotYaml, Position, printable
from emulator.topology.resolved import Change
from emulator.topology.resolving import change
from emulator.topology.tree import Entries, Node, Scalar
from emulator.topology.words import Known, Words

_START = Position(1, 1)
_NO_WORDS = Words.of(Known(*(frozenset[str](),) * 4), (), (), (), ())


def parse_change(options: Mapping[str, str]) -> tuple[Change, Change]:
    """The change down and the change up. Raises `WrongInput` with a line for each option that is wrong."""
    nodes = {name: _node(name, text) for name, text in options.items()}
    tree = Entries(_START, dict.fromkeys(nodes, _START), nodes, 1 + len(nodes), 1)
    try:
        document = ChangeDocument.model_validate(tree.plain())
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        told = wording.problems(details, tree, _NO_WORDS)
        raise WrongInput("\n".join(printable(f"--{problem.text}") for problem in told)) from error
    return change(document, "down"), change(document, "up")


def _node(name: str, text: str) -> Node:
    """Mappings are written as in a topology: `{mean: 1%, burst: 5}`."""
    if not text.startswith("{"):
        return Scalar(_START, text, text)
    try:
        tree, problems = parse(text)
    except NotYaml as refused:
        raise WrongInput(printable(f"--{name}: {refused.problem.text}")) from refused
    if problems:
        raise WrongInput(printable(f"--{name}: {problems[0].text}"))
    return tree
