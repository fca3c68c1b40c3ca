"""What each kind of PACS costs those who pull from it."""

import statistics
from collections import Counter
from collections.abc import Sequence

from emulator.topology import Site
from testbed.report.facts import Facts
from testbed.report.tables import Cell, Table
from testbed.units import octets, seconds
from trainer.record import Pull

_HEAD = (
    "PACS", "flavour", "sites", "studies", "way", "time a study", "time a MB", "payload a study", "on the wire a study",
    "taken up again", "came twice", "why this way",
)  # fmt: skip


def differences(facts: Facts) -> Table:
    """One row a PACS profile, the quickest by the megabyte first. Times are medians over its studies."""
    rows = []
    for profile in dict.fromkeys(site.pacs.profile for site in facts.topology.sites):
        sites = [site for site in facts.topology.sites if site.pacs.profile == profile]
        names = {site.name for site in sites}
        if pulls := [pull for pull in facts.pulls if pull.site in names and pull.fetched.fate != "failed"]:
            rows.append((_second_a_megabyte(pulls), _row(facts, sites, pulls)))
    return Table(_HEAD, tuple(row for _, row in sorted(rows, key=lambda found: found[0])))


def curation(facts: Facts) -> Table:
    """Every study in which curation found something, or that could not be had, and what became of it."""
    told = {(pull.site, pull.fetched.study): pull for pull in facts.pulls if pull.fetched.remark}
    rows = [
        (Cell(site), Cell(study, code=True), Cell(pull.fetched.fate), Cell(pull.fetched.remark, "wrap"))
        for (site, study), pull in sorted(told.items())
    ]
    return Table(("site", "study", "fate", "what was found"), tuple(rows))


def _row(facts: Facts, sites: Sequence[Site], pulls: Sequence[Pull]) -> tuple[Cell, ...]:
    fetched = [pull.fetched for pull in pulls]
    ways = Counter(one.way for one in fetched)
    wire = sum(facts.by_site[site.name].get("pull", 0) for site in sites)
    taken = ", ".join(way if len(ways) == 1 else f"{way} {count}" for way, count in ways.most_common())
    figures = (
        seconds(statistics.median(one.seconds for one in fetched)),
        seconds(_second_a_megabyte(pulls)),
        octets(sum(one.rx + one.tx for one in fetched) / len(fetched)),
        octets(wire / len(fetched)),
        str(sum(one.retries for one in fetched)),
        str(sum(one.doubled for one in fetched)),
    )
    why = Counter(one.why for one in fetched).most_common(1)[0][0]
    return (
        Cell(sites[0].pacs.profile),
        Cell(sites[0].pacs.flavour, "left"),
        Cell(str(len(sites))),
        Cell(str(len(fetched))),
        Cell(taken, "left"),
        *(Cell(figure) for figure in figures),
        Cell(why, "wrap faint"),
    )


def _second_a_megabyte(pulls: Sequence[Pull]) -> float:
    """Of what came in this run: of a study that was in the store already nothing did."""
    came = [1e6 * pull.fetched.seconds / pull.fetched.rx for pull in pulls if pull.fetched.rx]
    return statistics.median(came) if came else 0.0
