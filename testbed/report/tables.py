"""The report's tables, as plain cells; how they look is the template's business."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from emulator.topology import Site, Topology
from testbed.costs import WAN, beyond, overhead, resent, told
from testbed.report.facts import LEADING, Broken, Facts, Round
from testbed.report.plots.network import round_trip_s
from testbed.units import counted, octets, percent, rate, seconds


@dataclass(frozen=True)
class Cell:
    """`look` is a class of the style sheet; `code` sets the text in a fixed width."""

    text: str
    look: str = ""
    code: bool = False


@dataclass(frozen=True)
class Table:
    """Rows of cells under a head (empty for none); `summed` says that the last row is a sum."""

    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    summed: bool = False


@dataclass(frozen=True)
class Card:
    """One figure of the summary, with a smaller remark beside it."""

    label: str
    value: str
    beside: str = ""


def summary(facts: Facts) -> tuple[Card, ...]:
    """The cards at the top."""
    sites = facts.topology.sites
    metrics = facts.last_metrics
    whole = len(facts.rounds) == facts.rounds_asked
    return (
        Card("sites", str(len(sites)), counted(len({site.group for site in sites}), "group")),
        Card("studies", f"{sum(site.cohort.studies for site in sites):,}", f"{_kinds(sites)}, over all PACS"),
        Card(
            "rounds",
            str(len(facts.rounds)),
            "all that were asked for" if whole else f"of {facts.rounds_asked} asked for",
        ),
        Card("balanced accuracy", _share(metrics.get(LEADING)), "after the last round; guessing gives 33.3 %"),
        Card("worst site", _share(metrics.get("worst_site_accuracy")), "accuracy after the last round"),
        Card("over the WAN", octets(facts.wire(*WAN)), _over_wan(facts)),
        Card("from the PACS", octets(facts.wire("pull")), "studies, on the sites' own LANs"),
        Card("emulated time", seconds(facts.emulated_s), f"{seconds(_wall(facts))} on this machine"),
        Card("model", facts.model_sha256[:8] or "none", "first digits of its SHA-256"),
        Card("seed", str(facts.seed), "the same seed gives the same model"),
    )


def _over_wan(facts: Facts) -> str:
    return "studies and control" if facts.mode == "centralised" else "model, update and control"


def costs(facts: Facts) -> Table:
    """Wire bytes by round and purpose, with payload, what the wire carried beyond it, and what was dropped."""
    measured = ("wire", "payload", "overhead", "sent again", "lost", "overflowed")
    head = ("round", *told(facts.traffic), *measured, "emulated time", "wall time")
    rows = [_cost(facts, (r,), str(r.number)) for r in facts.rounds]
    return Table(head, _cells([*rows, _cost(facts, facts.rounds, "all")]), summed=True)


def _cost(facts: Facts, rounds: Sequence[Round], name: str) -> list[str]:
    numbers = {r.number for r in rounds}
    traffic = [t for t in facts.traffic if t.round in numbers]
    by_purpose = [octets(sum(t.wire for t in traffic if t.purpose == purpose)) for purpose in told(facts.traffic)]
    wire, payload = sum(t.wire for t in traffic), sum(t.payload for t in traffic)
    spent = [seconds(sum(r.emulated_s for r in rounds)), seconds(sum(r.wall_s for r in rounds))]
    again = resent(traffic)
    sent_again = "-" if again is None else octets(again)
    dropped = [d for d in facts.drops if d.round in numbers]
    packets = (
        [f"{sum(d.lost for d in dropped):,}", f"{sum(d.overflowed for d in dropped):,}"] if dropped else ["-", "-"]
    )
    return [name, *by_purpose, octets(wire), octets(payload), beyond(wire, payload), sent_again, *packets, *spent]


def overhead_sentence(facts: Facts) -> str:
    """What the WAN carried beyond the payload, and what was sent again and dropped."""
    said = f"Over the WAN: overhead {overhead([t for t in facts.traffic if t.purpose in WAN])}."
    if facts.drops:
        lost, overflowed = sum(d.lost for d in facts.drops), sum(d.overflowed for d in facts.drops)
        said += f" The router dropped {counted(lost, 'packet')} on the lines and {overflowed:,} at full queues."
    if facts.lost_wire:
        said += f" {octets(facts.lost_wire)} more went into rounds that were interrupted and begun again."
    return said


def rounds(facts: Facts) -> Table:
    """Each round's metrics, participants, those who were missing and why, and its fidelity."""
    head = ("round", "balanced accuracy", "worst site", "took part", "missing, and why", "fidelity", "model")
    return Table(head, tuple(_round(r) for r in facts.rounds))


def _round(r: Round) -> tuple[Cell, ...]:
    missing = "; ".join(f"{site}: {why}" for site, why in r.missing.items()) or "nobody"
    return (
        Cell(str(r.number)),
        Cell(_share(r.metrics.get(LEADING))),
        Cell(_share(r.metrics.get("worst_site_accuracy"))),
        Cell(str(len(r.participants))),
        Cell(missing, "wrap bad" if r.missing else "wrap faint"),
        Cell("; ".join((r.fidelity, *r.strays)), "good" if r.fidelity == "ok" else "wrap bad"),
        Cell(r.model_sha256[:12], code=True),
    )


def faults(facts: Facts) -> Table:
    """What was broken on purpose, and when."""
    head = ("round", "at", "fault", "on", "lasted", "as")
    return Table(head, _cells([_fault(fault) for fault in facts.faults]))


def _fault(fault: Broken) -> list[str]:
    settings = "".join(f", {key} {value}" for key, value in fault.settings.items())
    lasting = "-" if fault.for_s is None else seconds(fault.for_s)
    return [
        str(fault.round),
        seconds(fault.emulated_s),
        fault.fault + settings,
        ", ".join(fault.on),
        lasting,
        fault.trigger,
    ]


def scores(facts: Facts) -> Table:
    """All that was measured of the last round's model, over all test subjects."""
    found = [(name, value) for name, value in facts.last_metrics.items() if name in _SCORES or name.startswith(RECALL)]
    rows = [
        [_SCORES.get(name) or f"recall of {name.removeprefix(RECALL)}", _score(name, value)] for name, value in found
    ]
    return Table((), _cells(rows))


RECALL = "recall_"
_SCORES = {
    "balanced_accuracy": "balanced accuracy",
    "accuracy": "accuracy",
    "worst_site_accuracy": "accuracy at the worst site",
    "auc": "AUC, one class against the rest, mean",
    "loss": "loss (cross-entropy, nats)",
    "subjects": "test subjects",
}


def _score(name: str, value: float) -> str:
    if name == "subjects":
        return f"{value:,.0f}"
    return f"{value:.3f}" if name in ("auc", "loss") else percent(value)


def _kinds(sites: Sequence[Site]) -> str:
    """What the studies are, in the words of the report: phantoms, imported, or both."""
    names = {"phantom": "phantoms", "imported": "imported"}
    return " and ".join(name for kind, name in names.items() if any(site.cohort.kind == kind for site in sites))


def sites(facts: Facts) -> Table:
    """Every site in full."""
    head = ("site", "link", "down", "up", "round trip", "PACS", "scanner", "studies", "accuracy", "wire", "time")
    rows = [
        [
            site.name,
            site.link.profile,
            rate(site.link.down.rate_bps),
            rate(site.link.up.rate_bps),
            seconds(round_trip_s(facts.topology, site)),
            site.pacs.flavour,
            site.cohort.scanner or f"from {site.cohort.source}",
            ", ".join(f"{count} {name or 'unlabelled'}" for name, count in site.cohort.classes.items()),
            _share(facts.site_metrics.get(site.name, {}).get("accuracy")),
            octets(sum(facts.by_site[site.name].values())),
            seconds(sum(facts.time_by_site.get(site.name, {}).values())),
        ]
        for site in facts.topology.sites
    ]
    return Table(head, _cells(rows))


def provenance(facts: Facts) -> Table:
    """All that one needs to have the same run again."""
    training = facts.topology.training
    settings = {
        "local epochs": training.local_epochs,
        "batch size": training.batch_size,
        "learning rate": training.learning_rate,
        "test fraction": training.test_fraction,
        "volume cache": "on" if training.volume_cache else "off",
        "clock": training.clock,
        **training.options,
    }
    rows = [
        (Cell("run"), Cell(facts.run, "left", code=True)),
        (Cell("topology"), Cell(f"{facts.topology.name}, seed {facts.topology.seed}", "left")),
        (Cell("model SHA-256"), Cell(facts.model_sha256 or "none", "left", code=True)),
        (Cell("machines"), Cell(_machines(facts.topology), "wrap")),
        (Cell("seed of the run"), Cell(str(facts.seed), "left")),
        (Cell("training"), Cell(", ".join(f"{k} {v}" for k, v in settings.items()), "wrap")),
        (Cell("versions"), Cell(", ".join(f"{k} {v}" for k, v in facts.versions.items()), "wrap")),
    ]
    return Table((), tuple(rows))


def _machines(topology: Topology) -> str:
    """`46 namespace, 4 vm debian-12`: what the PACS ran on."""
    kinds = Counter(f"{site.machine} {site.guest.image}" if site.guest else site.machine for site in topology.sites)
    return ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))


def overview(runs: Sequence[Facts]) -> Table:
    """One row a run."""
    head = (
        "run", "world", "algorithm", "seed", "rounds", "balanced accuracy", "worst site", "over the WAN",
        "from the PACS", "emulated time", "rounds out of bounds", "model",
    )  # fmt: skip
    rows = [
        [
            facts.run,
            facts.world,
            facts.method,
            str(facts.seed),
            str(len(facts.rounds)),
            _share(facts.last_metrics.get(LEADING)),
            _share(facts.last_metrics.get("worst_site_accuracy")),
            octets(facts.wire(*WAN)),
            octets(facts.wire("pull")),
            seconds(facts.emulated_s),
            str(sum(r.fidelity != "ok" for r in facts.rounds)),
            facts.model_sha256[:12],
        ]
        for facts in runs
    ]
    return Table(head, _cells(rows))


def differences(runs: Sequence[Facts]) -> Table:
    """What was set differently between the runs, and versions that differ; equal things are left out."""
    traits = [_traits(facts) for facts in runs]
    names = dict.fromkeys(name for found in traits for name in found)
    rows = [
        [name, *(found.get(name, "-") for found in traits)]
        for name in names
        if len({found.get(name) for found in traits}) > 1
    ]
    return Table(("what", *(facts.run for facts in runs)), _cells(rows))


def _traits(facts: Facts) -> dict[str, str]:
    training = facts.topology.training
    return {
        "world": facts.world,
        "sites": str(len(facts.topology.sites)),
        "task": facts.task,
        "mode": facts.mode,
        "algorithm": facts.method,
        "seed": str(facts.seed),
        "local epochs": str(training.local_epochs),
        "batch size": str(training.batch_size),
        "learning rate": str(training.learning_rate),
        "volume cache": str(training.volume_cache),
        "clock": training.clock,
        **{name: str(value) for name, value in training.options.items()},
        **{f"version of {name}": version for name, version in facts.versions.items()},
    }


def _wall(facts: Facts) -> float:
    return sum(r.wall_s for r in facts.rounds)


def _share(value: float | None) -> str:
    return "-" if value is None else percent(value)


def _cells(rows: Iterable[Iterable[str]]) -> tuple[tuple[Cell, ...], ...]:
    return tuple(tuple(Cell(text) for text in row) for row in rows)
