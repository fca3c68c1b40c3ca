"""Puts facts, plots and tables into the templates. The page is one file that needs nothing else."""

from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from testbed.report import pulling, tables
from testbed.report.facts import Facts
from testbed.report.plots import comparison, learning, network, slowness, traffic
from testbed.units import seconds
from testbed.version import version


def single(facts: Facts) -> str:
    """The page of one run."""
    plots = {
        "network": network.draw(facts.topology),
        "slowness": slowness.draw(facts) if facts.phases else "",
    }
    if facts.rounds:
        plots |= {
            "by_round": learning.by_round(facts),
            "by_time": learning.by_time(facts),
            "bytes_by_round": traffic.by_round(facts),
            "bytes_by_site": traffic.by_site(facts),
        }
    return _render(
        "page.html.j2",
        plots,
        facts=facts,
        summary=tables.summary(facts),
        costs=tables.costs(facts),
        overhead=tables.overhead_sentence(facts),
        rounds=tables.rounds(facts),
        scores=tables.scores(facts),
        faults=tables.faults(facts),
        sites=tables.sites(facts),
        pulling=pulling.differences(facts),
        curation=pulling.curation(facts),
        provenance=tables.provenance(facts),
        wall=seconds(sum(r.wall_s for r in facts.rounds)),
    )


def compared(runs: Sequence[Facts]) -> str:
    """The page of several runs over one another."""
    plots = {
        "by_round": comparison.curves_by_round(runs),
        "by_time": comparison.curves_by_time(runs),
        "bytes": comparison.curves_by_bytes(runs),
        "totals": comparison.totals(runs),
    }
    return _render(
        "comparison.html.j2",
        plots,
        runs=runs,
        overview=tables.overview(runs),
        differences=tables.differences(runs),
    )


def _render(template: str, plots: Mapping[str, str], **content: Any) -> str:
    """Everything but our own SVG and style sheet is escaped: names and reasons come from outside."""
    loader = PackageLoader("testbed", "report")
    house = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    style = loader.get_source(house, "style.css")[0]
    return house.get_template(template).render(
        plots={name: Markup(drawn) for name, drawn in plots.items()},  # noqa: S704 - our own drawing
        style=Markup(style),  # noqa: S704 - our own file
        version=version(),
        **content,
    )
