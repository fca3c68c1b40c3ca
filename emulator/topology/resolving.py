"""From a document that is right to a topology that is complete: groups stamped out, gaps filled, draws made."""

from collections.abc import Iterator, Sequence
from typing import Any, Literal, TypeVar

from emulator.topology import builtin, drawing, profiles
from emulator.topology.document import (
    ClassShares,
    CohortDocument,
    Dirichlet,
    Document,
    LinkDocument,
    SiteDocument,
    StudyRange,
    TrainingDocument,
)
from emulator.topology.naming import members
from emulator.topology.resolved import Cohort, Compute, Direction, Hub, Link, Pacs, Site, Topology, Training

T = TypeVar("T")
_MODALITIES: tuple[Literal["mr", "pet"], ...] = ("mr", "pet")


def resolve(document: Document) -> Topology:
    """The whole topology. Never fails on a document that `checking` let through."""
    profile = document.hub.link or builtin.HUB_LINK
    return Topology(
        name=document.name,
        seed=document.seed,
        hub=Hub(_link(profile, document)),
        sites=tuple(_sites(document)),
        training=_training(document.training),
    )


def _sites(document: Document) -> Iterator[Site]:
    index = 0
    for entry in document.sites:
        for name in names(entry):
            index += 1
            yield _site(index, name, entry, document)


def names(entry: SiteDocument) -> Sequence[str]:
    """The names of the sites that an entry stands for."""
    return (entry.name,) if entry.name else members(entry.group or "", entry.count or 0)


def _site(index: int, name: str, entry: SiteDocument, document: Document) -> Site:
    defaults = document.defaults
    per_sample = _first(entry.compute.per_sample, defaults.compute.per_sample, builtin.PER_SAMPLE_S)
    return Site(
        index=index,
        name=name,
        group=entry.group or name,
        machine=_first(entry.machine, defaults.machine, builtin.MACHINE),
        link=_link(_first(entry.link, defaults.link, builtin.SITE_LINK), document),
        pacs=_pacs(_first(entry.pacs, defaults.pacs, builtin.PACS), document),
        cohort=_cohort(name, document.seed, (entry.cohort, defaults.cohort)),
        compute=Compute(per_sample),
    )


def _first(own: T | None, default: T | None, otherwise: T) -> T:
    return next((value for value in (own, default) if value is not None), otherwise)


def _link(profile: str, document: Document) -> Link:
    link = document.links.get(profile) or profiles.shipped()[profile]
    return Link(profile, down=_direction(link, link.down), up=_direction(link, link.up))


def _direction(link: LinkDocument, rate: int | None) -> Direction:
    own_rate = rate if rate is not None else link.rate
    assert own_rate is not None  # noqa: S101 - LinkDocument has either both rates or one for both
    return Direction(own_rate, link.rtt / 2, link.jitter, link.loss)


def _pacs(profile: str, document: Document) -> Pacs:
    """A declared profile, or the flavour of that name."""
    declared = document.pacs.get(profile)
    if declared is None:
        return Pacs(profile, flavour=profile)
    return Pacs(profile, declared.flavour, declared.model_extra or {})


def _cohort(site: str, seed: int, layers: tuple[CohortDocument, CohortDocument]) -> Cohort:
    own, default = layers
    asked: int | StudyRange | None = own.studies or default.studies
    shares: ClassShares | Dirichlet | None = own.classes or default.classes
    studies = drawing.studies(asked or builtin.STUDIES, seed, site)
    modalities = _first(own.modalities, default.modalities, [*_MODALITIES])
    return Cohort(
        kind="phantom",
        studies=studies,
        classes=drawing.classes(shares or builtin.CLASSES, studies, seed, site),
        scanner=drawing.scanner(_first(own.scanner, default.scanner, builtin.SCANNER), seed, site),
        modalities=tuple(modality for modality in _MODALITIES if modality in modalities),
        storage=_first(own.storage, default.storage, builtin.STORAGE),
    )


def _training(training: TrainingDocument) -> Training:
    written: dict[str, Any] = dict(training)
    words = {"task": training.task or builtin.TASK, "algorithm": training.algorithm or builtin.ALGORITHM}
    return Training(**(written | words))
