"""Whether a document is right: each value by itself, and all of them together."""

from collections.abc import Iterator
from dataclasses import replace

from pydantic import ValidationError

from emulator.topology import builtin, happening, machine, naming, options, profiles, sharing, toxics, wording
from emulator.topology.document import WAREHOUSE, Document
from emulator.topology.forms import Form
from emulator.topology.links import FourStateLoss, LinkDocument
from emulator.topology.problems import Position, Problem
from emulator.topology.resolving import names, source, wishes
from emulator.topology.tree import Entries, Items, Node, Scalar, at, child
from emulator.topology.words import Known, Stock, Words, listed


def check(tree: Node, known: Known) -> tuple[Document | None, list[Problem]]:
    """The document, or None with all that is wrong in it."""
    if not isinstance(tree, Entries):
        expected = "a mapping with 'name' and 'sites'"
        return None, [Problem.told(tree.position, tree.shown(), expected, "see topologies/quickstart.yaml")]
    words = _words(tree, known)
    problems = [*naming.clashes(tree), *_toxics_twice(tree)]
    problems += wording.problems(options.wrong(tree, words), tree, words)
    try:
        document = Document.model_validate(tree.plain(), context=words)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        problems += wording.problems(details, tree, words)
        return None, problems + _empty(tree, problems, words)
    problems += [*_empty(tree, problems, words), *_unsettled(document, tree, words), *_uncombinable(document, tree)]
    problems += [*_short_of_studies(document, tree, words), *_not_on_machines(document, tree, words)]
    problems += happening.wrong(document.faults, tree)
    return (None if problems else document), problems


def _toxics_twice(tree: Node) -> Iterator[Problem]:
    sites = child(tree, "sites")
    for owner in (child(tree, "defaults"), *(sites.items if isinstance(sites, Items) else ())):
        if owner is not None:
            yield from toxics.clashes(owner)


def _words(tree: Node, known: Known) -> Words:
    """Profiles count as defined when they are written at all: one that is wrong is told once, not at every site."""
    written = {key: child(tree, key) for key in ("links", "pacs", "regions")}
    own = {key: node.keys if isinstance(node, Entries) else {} for key, node in written.items()}
    if child(tree, WAREHOUSE) is not None:
        known = replace(known, cohorts={**known.cohorts, WAREHOUSE: Stock("", {})})
    return Words.of(
        known, [*profiles.shipped(), *own["links"]], own["pacs"], own["regions"], naming.sites_and_groups(tree)
    )


def _empty(tree: Node, told: list[Problem], words: Words) -> list[Problem]:
    """Keys without a value, unless that is told already; options that nobody has a form for may have none."""
    places = {problem.position for problem in told}
    return [
        wording.empty(path, tree)
        for path, node in _nulls(tree, ())
        if node.position not in places and not _is_formless(path, tree, words)
    ]


def _is_formless(path: tuple[str | int, ...], tree: Node, words: Words) -> bool:
    return path[:1] == ("pacs",) and len(path) > 2 and options.form_at(path, tree, words) is None


def _nulls(node: Node, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], Node]]:
    """Everything that is null, at any depth but in the options of the training."""
    if path[:2] == ("training", "options"):
        return
    if isinstance(node, Scalar) and node.value is None:
        yield path, node
    for step, below in _steps(node):
        yield from _nulls(below, (*path, step))


def _steps(node: Node) -> Iterator[tuple[str | int, Node]]:
    if isinstance(node, Entries):
        yield from node.values.items()
    elif isinstance(node, Items):
        yield from enumerate(node.items)


def _unsettled(document: Document, tree: Node, words: Words) -> Iterator[Problem]:
    """What is left to a built-in word that this version doesn't know."""
    sites = child(tree, "sites")
    for entry, node in zip(document.sites, sites.items if isinstance(sites, Items) else (), strict=True):
        if not (entry.pacs or document.defaults.pacs):
            yield from _needed("pacs", builtin.PACS, words.pacs, node.position)
        if not (entry.cohort.scanner or document.defaults.cohort.scanner or source(entry, document)):
            yield from _needed("cohort.scanner", builtin.SCANNER, words.scanners, node.position)
    training = child(tree, "training") or tree
    if not document.training.task:
        yield from _needed("training.task", builtin.TASK, words.tasks, training.position)
    if not document.training.algorithm:
        yield from _needed("training.algorithm", builtin.ALGORITHM, words.algorithms, training.position)


_OF_PHANTOMS = ("scanner", "modalities", "storage", "defects")


def _short_of_studies(document: Document, tree: Node, words: Words) -> Iterator[Problem]:
    """Sites that ask for imported studies: of nothing, or for more than there is."""
    found = sharing.lots(wishes(document), words.cohorts, document.seed)
    sites = child(tree, "sites")
    for entry, node in zip(document.sites, sites.items if isinstance(sites, Items) else (), strict=True):
        kind = entry.cohort.kind or document.defaults.cohort.kind
        taken = source(entry, document)
        if kind == "imported" and not taken:
            yield Problem.told(node.position, "kind: imported", "'from: NAME' beside it", "name the cohort")
        made = [key for key in _OF_PHANTOMS if getattr(entry.cohort, key) is not None]
        if taken and (made or entry.cohort.kind == "phantom"):
            expected = f"nothing of phantoms at a site that takes its studies from '{taken}'"
            yield Problem.told(node.position, ", ".join(made) or "kind: phantom", expected, "they are as they are")
        named = names(entry) if source(entry, document) else ()
        short = next((lot for name in named if isinstance(lot := found.get(name), sharing.Short)), None)
        if short:
            expected = f"no more than what is left of '{source(entry, document)}': {short.left}"
            advised = "ask for less, import more, or take other shares of the classes"
            yield Problem.told(node.position, f"site '{short.site}' with {short.asked} studies", expected, advised)


def _not_on_machines(document: Document, tree: Node, words: Words) -> Iterator[Problem]:
    """PACS that their sites' machines can't run."""
    sites = child(tree, "sites")
    for entry, node in zip(document.sites, sites.items if isinstance(sites, Items) else (), strict=True):
        kind, _ = machine.resolved(entry.machine, document.defaults.machine)
        profile = entry.pacs or document.defaults.pacs or builtin.PACS
        declared = document.pacs.get(profile)
        flavour = declared.flavour if declared else profile
        if kind == "vm" and flavour not in words.on_vm:
            position = (child(node, "machine") or child(node, "pacs") or node).position
            expected = f"a PACS that a virtual machine can run: {', '.join(sorted(words.on_vm)) or 'none'}"
            told = Problem.told(
                position, f"machine: vm with the PACS flavour '{flavour}'", expected, "or machine: namespace"
            )
            yield told.within(f"site '{entry.name or entry.group}'")


def _uncombinable(document: Document, tree: Node) -> Iterator[Problem]:
    """Links that sites share are laid in a row with each site's own: two of a kind must be one again."""
    shared: list[tuple[tuple[str, ...], str]] = [(("hub", "link"), document.hub.link or builtin.HUB_LINK)]
    shared += [(("regions", name, "link"), region.link) for name, region in document.regions.items()]
    for path, name in shared:
        link = document.links.get(name) or profiles.shipped()[name]
        if not _is_plain(link):
            position = (at(tree, path) or tree).position
            expected = "a link with nothing but rate, rtt, jitter, a share of loss, queue and mtu"
            yield Problem.told(position, f"'{name}'", expected, "many sites share it; give the rest to their own links")
        elif _loses(link) and (four := next((n for n, own in document.links.items() if _has_four_states(own)), None)):
            position = at(tree, ("links", four)).position
            expected = f"a link without the four-state loss, since the shared link '{name}' loses packets too"
            yield Problem.told(position, f"'{four}'", expected, "use {to_bad: …, to_good: …}, or let one lose nothing")


def _losses(link: LinkDocument) -> tuple[object, ...]:
    return tuple(part.loss for part in (link, link.way("down"), link.way("up")))


def _loses(link: LinkDocument) -> bool:
    return any(_losses(link))


def _has_four_states(link: LinkDocument) -> bool:
    return any(isinstance(loss, FourStateLoss) for loss in _losses(link))


def _is_plain(link: LinkDocument) -> bool:
    parts = (link, link.way("down"), link.way("up"))
    return (
        link.pings is None
        and not link.schedule
        and link.trace is None
        and not any(
            part.distribution or part.duplicate or part.corrupt or part.reorder or isinstance(part.loss, Form)
            for part in parts
        )
    )


def _needed(key: str, usual: str, known: frozenset[str], position: Position) -> Iterator[Problem]:
    if usual not in known:
        yield Problem.told(
            position, f"no '{key}'", f"one, because the usual '{usual}' is not known here", listed(known)
        )
