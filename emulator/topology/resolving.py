"""From a document that is right to a topology that is complete: groups stamped out, gaps filled, draws made."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, TypeVar

from emulator.places import DICOMWEB_PORT, STUDY_PORT
from emulator.topology import builtin, drawing, happening, machine, policy, profiles, sharing, traffic
from emulator.topology.document import (
    WAREHOUSE,
    ClassShares,
    CohortDocument,
    ComputeDocument,
    Dirichlet,
    Document,
    FidelityDocument,
    SiteDocument,
    StudyRange,
    TrainingDocument,
)
from emulator.topology.links import (
    BurstyLoss,
    ChangeDocument,
    EpisodeDocument,
    FourStateLoss,
    GilbertElliottLoss,
    LinkDocument,
    QueueDocument,
    TraceDocument,
)
from emulator.topology.naming import members
from emulator.topology.pings import Delays
from emulator.topology.resolved import (
    Change,
    Cohort,
    Compute,
    Direction,
    Episode,
    Fidelity,
    FourState,
    GilbertElliott,
    Hub,
    Link,
    Opening,
    Pacs,
    Region,
    Site,
    Topology,
    Trace,
    Training,
    Warehouse,
)
from emulator.topology.words import Stock

T = TypeVar("T")
_MODALITIES: tuple[Literal["mr", "pet"], ...] = ("mr", "pet")


def resolve(
    document: Document, delays: Mapping[str, Delays], traces: Mapping[str, Trace], stocks: Mapping[str, Stock]
) -> Topology:
    """The whole topology; `delays` are those of links with pings, `traces` those of files, `stocks` the imported
    cohorts, by name. Never fails on a document that `checking` let through.
    """
    profile = document.hub.link or builtin.HUB_LINK
    sites = tuple(_sites(document, delays, stocks))
    used = {site.link.profile for site in sites}
    traced = {name for site in sites for name in (site.link.down_trace, site.link.up_trace)}
    return Topology(
        name=document.name,
        seed=document.seed,
        hub=Hub(_link(profile, document, delays), _hub_compute(document)),
        sites=sites,
        training=_training(document.training),
        regions=tuple(Region(name, _link(own.link, document, delays)) for name, own in document.regions.items()),
        tables={table_name(name): found.table for name, found in delays.items() if found.scale_s and name in used},
        policy=policy.openings(document.policy, sites) + _ways_to_warehouse(sites) + _ways_for_studies(document, sites),
        traffic=traffic.flows(document.traffic, sites),
        traces={name: trace for name, trace in traces.items() if name in traced},
        fidelity=_fidelity(document.fidelity),
        warehouse=_warehouse(document),
        faults=happening.planned(document.faults, sites, document.seed),
    )


def _warehouse(document: Document) -> Warehouse | None:
    if document.warehouse is None:
        return None
    return Warehouse(_pacs(document.warehouse.pacs or builtin.PACS, document))


def _ways_to_warehouse(sites: Sequence[Site]) -> tuple[Opening, ...]:
    """The ports that are open because sites are filled from the warehouse: for their workers, and nobody else."""
    return tuple(Opening(f"{site.name}/worker", "hub", "tcp", DICOMWEB_PORT) for site in sites if site.cohort.warehouse)


def _ways_for_studies(document: Document, sites: Sequence[Site]) -> tuple[Opening, ...]:
    """The ports that are open because the hub trains: for the workers of sites whose studies are not there already, and
    for their gateways, through which the workers call where there are toxics on the hub.
    """
    if document.training.mode != "centralised":
        return ()
    places = (place for site in sites if not site.cohort.warehouse for place in (f"{site.name}/worker", site.name))
    return tuple(Opening(place, "hub", "tcp", STUDY_PORT) for place in places)


def _sites(document: Document, delays: Mapping[str, Delays], stocks: Mapping[str, Stock]) -> Iterator[Site]:
    imported = sharing.lots(wishes(document), stocks, document.seed)
    index = 0
    for entry in document.sites:
        for name in names(entry):
            index += 1
            site = _site(index, name, entry, document, delays)
            waits = from_warehouse(entry, document)
            lot, taken_from = imported.get(name), source(entry, document)
            if isinstance(lot, sharing.Lot) and taken_from:
                site = replace(site, cohort=_imported(taken_from, stocks[taken_from], lot))
            yield replace(site, cohort=replace(site.cohort, warehouse=True)) if waits else site


def names(entry: SiteDocument) -> Sequence[str]:
    """The names of the sites that an entry stands for."""
    return (entry.name,) if entry.name else members(entry.group or "", entry.count or 0)


def _site(index: int, name: str, entry: SiteDocument, document: Document, delays: Mapping[str, Delays]) -> Site:
    defaults = document.defaults
    kind, guest = machine.resolved(entry.machine, defaults.machine)
    return Site(
        index=index,
        name=name,
        group=entry.group or name,
        machine=kind,
        link=_link(_first(entry.link, defaults.link, builtin.SITE_LINK), document, delays),
        pacs=_pacs(_first(entry.pacs, defaults.pacs, builtin.PACS), document),
        cohort=_cohort(name, document.seed, (entry.cohort, defaults.cohort)),
        compute=_compute(entry.compute, defaults.compute),
        region=entry.region or defaults.region,
        toxics=tuple(toxic.resolved() for toxic in _first(entry.toxics, defaults.toxics, [])),
        guest=guest,
    )


def _first(own: T | None, default: T | None, otherwise: T) -> T:
    return next((value for value in (own, default) if value is not None), otherwise)


def _compute(own: ComputeDocument, default: ComputeDocument) -> Compute:
    """A site's own time per sample; else the usual one (that of `defaults`, or the built-in) divided by its speed."""
    usual = builtin.PER_SAMPLE_S if default.per_sample is None else default.per_sample
    per_sample = usual / _first(own.speed, default.speed, 1.0) if own.per_sample is None else own.per_sample
    return Compute(per_sample, _first(own.jitter, default.jitter, 0.0))


def _hub_compute(document: Document) -> Compute:
    """The hub's own; it has the sites' usual time per sample, and none of their speed or jitter."""
    usual = document.defaults.compute.model_copy(update={"speed": None, "jitter": None})
    return _compute(document.hub.compute, usual)


def _link(profile: str, document: Document, delays: Mapping[str, Delays]) -> Link:
    link = document.links.get(profile) or profiles.shipped()[profile]
    down, up = _direction(link, "down"), _direction(link, "up")
    measured = delays.get(profile) if link.pings is not None else None
    if measured is not None:
        # Pings don't tell the ways apart: one way gets all that varies, so that the round trip varies as measured.
        varies = replace(down, delay_s=measured.mean_s - measured.least_s / 2)
        if measured.scale_s:
            varies = replace(varies, jitter_s=measured.scale_s, distribution=table_name(profile))
        down, up = varies, replace(up, delay_s=measured.least_s / 2)
    trace = link.trace or TraceDocument.model_construct()
    schedule = tuple(_episode(episode) for episode in link.schedule)
    return Link(profile, down, up, schedule, trace.way("down") or "", trace.way("up") or "")


def _episode(episode: EpisodeDocument) -> Episode:
    return Episode(episode.at, episode.lasts, episode.every, change(episode, "down"), change(episode, "up"))


def change(document: ChangeDocument, name: Literal["down", "up"]) -> Change:
    """What a change means for one direction: what is told of it alone goes before what is told of both."""
    way = document.way(name)
    loss = way.loss if way.loss is not None else document.loss
    share, bursts = _loss(loss)
    return Change(
        rate_bps=_first(way.rate, document.rate, None),
        delay_s=_first(way.delay, None if document.rtt is None else document.rtt / 2, None),
        jitter_s=_first(way.jitter, document.jitter, None),
        loss=None if loss is None else share,
        bursts=bursts if isinstance(bursts, GilbertElliott) else None,
        duplicate=_first(way.duplicate, document.duplicate, None),
        corrupt=_first(way.corrupt, document.corrupt, None),
        reorder=_first(way.reorder, document.reorder, None),
    )


def table_name(profile: str) -> str:
    """What the delays of a link's pings are called in the topology's `tables`."""
    return f"pings-{profile}"


def _direction(link: LinkDocument, name: Literal["down", "up"]) -> Direction:
    way = link.way(name)
    queue = _first(way.queue, link.queue, QueueDocument())
    rate_bps = _first(way.rate, link.rate, 0)
    loss, bursts = _loss(way.loss if way.loss is not None else link.loss)
    return Direction(
        rate_bps=rate_bps,
        delay_s=_first(way.delay, None, (link.rtt or 0.0) / 2),
        jitter_s=_first(way.jitter, link.jitter, 0.0),
        loss=loss,
        distribution=_first(way.distribution, link.distribution, "normal"),
        bursts=bursts,
        duplicate=_first(way.duplicate, link.duplicate, 0.0),
        corrupt=_first(way.corrupt, link.corrupt, 0.0),
        reorder=_first(way.reorder, link.reorder, 0.0),
        queue_s=queue.length or max(builtin.QUEUE_S, builtin.QUEUE_BYTES * 8 / rate_bps),
        discipline=queue.discipline,
        mtu=link.mtu,
    )


def _loss(
    written: float | BurstyLoss | GilbertElliottLoss | FourStateLoss | None,
) -> tuple[float, GilbertElliott | FourState | None]:
    if written is None or isinstance(written, float):
        return written or 0.0, None
    if isinstance(written, BurstyLoss):
        if not written.mean:
            return 0.0, None
        to_good = 1 / written.burst
        model: GilbertElliott | FourState = GilbertElliott(to_good * written.mean / (1 - written.mean), to_good)
    elif isinstance(written, GilbertElliottLoss):
        model = GilbertElliott(**dict(written))
    else:
        model = FourState(**dict(written))
    return model.loss, model


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
    spoilt = own.defects if own.defects is not None else default.defects
    return Cohort(
        kind="phantom",
        studies=studies,
        classes=drawing.classes(shares or builtin.CLASSES, studies, seed, site),
        scanner=drawing.scanner(_first(own.scanner, default.scanner, builtin.SCANNER), seed, site),
        modalities=tuple(modality for modality in _MODALITIES if modality in modalities),
        storage=_first(own.storage, default.storage, builtin.STORAGE),
        defects=drawing.defects(spoilt.shares() if spoilt else {}, studies),
    )


def source(entry: SiteDocument, document: Document) -> str | None:
    """The imported cohort that an entry's sites take their studies from; None: they have phantoms."""
    named = _named(entry, document)
    return document.warehouse.source if named == WAREHOUSE and document.warehouse else named


def from_warehouse(entry: SiteDocument, document: Document) -> bool:
    """Whether an entry's sites are filled from the warehouse."""
    return _named(entry, document) == WAREHOUSE


def _named(entry: SiteDocument, document: Document) -> str | None:
    own, default = entry.cohort, document.defaults.cohort
    return own.source or (None if own.kind == "phantom" else default.source)


def wishes(document: Document) -> list[sharing.Wish]:
    """What each site asks of imported cohorts."""
    default = document.defaults.cohort
    return [
        sharing.Wish(name, taken_from, entry.cohort.studies or default.studies, entry.cohort.classes or default.classes)
        for entry in document.sites
        if (taken_from := source(entry, document))
        for name in names(entry)
    ]


def _imported(source: str, stock: Stock, lot: sharing.Lot) -> Cohort:
    return Cohort(
        kind="imported",
        studies=sum(lot.take.values()),
        classes=lot.take,
        scanner="",
        modalities=(),
        storage=builtin.STORAGE,
        source=source,
        content=stock.content,
        skip=lot.skip,
    )


def _training(training: TrainingDocument) -> Training:
    written: dict[str, Any] = dict(training)
    written["deadline_s"] = written.pop("deadline")
    words = {"task": training.task or builtin.TASK, "algorithm": training.algorithm or builtin.ALGORITHM}
    return Training(**(written | words))


def _fidelity(written: FidelityDocument) -> Fidelity:
    asked = {name: value for name, value in dict(written).items() if value is not None}
    if "rtt" in asked:
        asked["rtt_s"] = asked.pop("rtt")
    return replace(Fidelity(), **asked)
