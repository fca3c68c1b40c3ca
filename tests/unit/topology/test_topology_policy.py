"""Ports and background traffic in a topology: resolved for each site that an entry is about, or refused with advice."""

import re

import pytest
from topology_texts import Load, Refuse

from emulator.places import STUDY_PORT
from emulator.topology import Known, dump, revive, schema
from emulator.topology.resolved import Flow, Opening

HEAD = "name: t\nsites:\n  - {group: clinic, count: 2}\n  - {name: county}\n"


def test_an_entry_opens_its_ports_for_each_site_of_a_group(loaded: Load) -> None:
    text = (
        HEAD + "policy:\n  - {from: hub, to: clinic/pacs, tcp: [8042, 4242]}\n  - {from: county, to: hub, udp: [5000]}"
    )
    assert loaded(text).policy == (
        Opening("hub", "clinic-01/pacs", "tcp", 8042),
        Opening("hub", "clinic-01/pacs", "tcp", 4242),
        Opening("hub", "clinic-02/pacs", "tcp", 8042),
        Opening("hub", "clinic-02/pacs", "tcp", 4242),
        Opening("county", "hub", "udp", 5000),
    )


def test_where_the_hub_trains_each_site_may_send_from_its_worker_and_through_the_toxics_at_its_gateway(
    loaded: Load,
) -> None:
    assert loaded(HEAD + "training: {mode: centralised}").policy == tuple(
        Opening(place, "hub", "tcp", STUDY_PORT)
        for site in ("clinic-01", "clinic-02", "county")
        for place in (f"{site}/worker", site)
    )


def test_what_is_opened_twice_is_opened_once(loaded: Load) -> None:
    text = HEAD + "policy:\n  - {from: hub, to: clinic, tcp: [22]}\n  - {from: hub, to: clinic-01, tcp: [22]}"
    assert len(loaded(text).policy) == 2


def test_a_flow_runs_for_each_site_of_a_group(loaded: Load) -> None:
    text = HEAD + "traffic:\n  - {from: clinic, to: hub, pattern: poisson, rate: 2mbit}"
    assert loaded(text).traffic == (
        Flow("clinic-01", "hub", "poisson", 2_000_000),
        Flow("clinic-02", "hub", "poisson", 2_000_000),
    )


def test_web_traffic_has_spells_of_its_own_or_the_usual_ones(loaded: Load) -> None:
    entry = "  - {from: hub, to: county, pattern: web, rate: 20mbit%s}\n"
    flows = loaded(HEAD + "traffic:\n" + entry % "" + entry % ", on: 1s, off: 500ms").traffic
    assert [(flow.on_s, flow.off_s) for flow in flows] == [(2.0, 8.0), (1.0, 0.5)]


def test_both_survive_being_kept(loaded: Load) -> None:
    policy = "policy:\n  - {from: hub, to: county/worker, tcp: [22], udp: [53]}\n"
    topology = loaded(HEAD + policy + "traffic:\n  - {from: hub, to: clinic, pattern: web, rate: 1mbit}")
    assert revive(dump(topology)) == topology


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("policy: [{from: clinic, to: county, tcp: [22]}]", "x.yaml:5:10: policy.1: .*none from site to site"),
        ("policy: [{from: hub, to: hub, tcp: [22]}]", "x.yaml:5:10: policy.1: .*the hub at one end"),
        (
            "policy: [{from: hub, to: cuonty/pacs, tcp: [22]}]",
            "x.yaml:5:26: .*'cuonty/pacs'.*did you mean 'county/pacs'",
        ),
        ("policy: [{from: hub, to: clinic-03, tcp: [22]}]", "x.yaml:5:26: .*did you mean 'clinic-0[12]'"),
        ("policy: [{from: wan, to: hub, tcp: [22]}]", "x.yaml:5:17: .*found 'wan'; expected a place"),
        ("policy: [{from: hub, to: county}]", "x.yaml:5:10: .*expected 'tcp' or 'udp'"),
        ("policy: [{from: hub, to: county, tcp: []}]", "x.yaml:5:39: .*at least 1"),
        ("policy: [{from: hub, to: county, tcp: [0]}]", "x.yaml:5:40: .*a port from 1 to 65535"),
        ("policy: [{from: hub, to: county, tpc: [22]}]", "x.yaml:5:34: .*'tpc'.*did you mean 'tcp'"),
        (
            "traffic: [{from: hub, to: county/worker, pattern: web, rate: 1mbit}]",
            "x.yaml:5:27: .*did you mean 'county'",
        ),
        ("traffic: [{from: clinic, to: county, pattern: web, rate: 1mbit}]", "x.yaml:5:11: .*none from site to site"),
        ("traffic: [{from: hub, to: county, pattern: posson, rate: 1mbit}]", "x.yaml:5:44: .*did you mean 'poisson'"),
        ("traffic: [{from: hub, to: county, pattern: poisson, rate: 1}]", "x.yaml:5:59: .*the unit is missing"),
        (
            "traffic: [{from: hub, to: county, pattern: poisson, rate: 1mbit, on: 2s}]",
            "x.yaml:5:11: .*only the pattern",
        ),
    ],
)
def test_what_is_wrong_is_told_where_it_stands(refused: Refuse, entry: str, told: str) -> None:
    problems = refused(HEAD + entry)
    assert len(problems) == 1
    assert re.search(told, problems[0]), problems


def test_editors_are_told_both(known: Known) -> None:
    document = schema(known)
    assert document["properties"].keys() >= {"policy", "traffic"}
    assert set(document["$defs"]["PolicyDocument"]["properties"]) == {"from", "to", "tcp", "udp"}
