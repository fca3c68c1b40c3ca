"""From a file to a topology, or to all that is wrong in it."""

from pathlib import Path

from emulator.topology import pings, problems, traces
from emulator.topology.checking import check
from emulator.topology.parsing import parse
from emulator.topology.problems import NotYaml
from emulator.topology.reading import read
from emulator.topology.resolved import Topology
from emulator.topology.resolving import resolve
from emulator.topology.words import Known


def load(path: Path, known: Known) -> Topology:
    """The topology in a YAML file, resolved. Raises as `load_naming` does."""
    return load_naming(path, known)[0]


def load_naming(path: Path, known: Known) -> tuple[Topology, tuple[str, ...]]:
    """The topology in a YAML file, resolved, and the files that it names, whether a site uses what they say or not.

    Raises `TopologyErrors` with every problem in it, each a line `file:line:column: found; expected; what to do`;
    `WrongInput` where the file can't be read or is larger than 1 MiB.
    """
    try:
        tree, found = parse(read(path))
    except NotYaml as refused:
        raise problems.errors(path, [refused.problem]) from refused
    document, wrong = check(tree, known)
    if document is None or found:
        told = {problem.position for problem in found}  # a value that can't be read is not also of the wrong kind
        raise problems.errors(path, [*found, *(problem for problem in wrong if problem.position not in told)])
    delays, missing = pings.read_all(document, tree, path.parent)
    found_traces, more_missing = traces.read_all(document, tree, path.parent)
    if missing or more_missing:
        raise problems.errors(path, [*missing, *more_missing])
    files = (*pings.files(document), *traces.files(document))
    return resolve(document, delays, found_traces, known.cohorts), files
