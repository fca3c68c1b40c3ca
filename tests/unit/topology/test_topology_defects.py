"""Defects as they are written: shares of the studies that become numbers, kept, and refused with their place."""

import json

import pytest
from topology_texts import Load, Refuse

from emulator.topology import dump, revive


def _site(cohort: str, defaults: str = "{}") -> str:
    return f"name: x\ndefaults: {{cohort: {defaults}}}\nsites: [{{name: a, cohort: {cohort}}}]\n"


def test_shares_become_numbers_of_studies_and_are_kept(loaded: Load) -> None:
    topology = loaded(_site("{studies: 40, defects: {missing-slice: 5%, burnt-in-text: 1%, two-volumes: 0%}}"))
    assert topology.sites[0].cohort.defects == {"burnt-in-text": 1, "missing-slice": 2}
    assert revive(dump(topology)) == topology


def test_a_topology_that_was_kept_before_there_were_defects_is_revived(loaded: Load) -> None:
    topology = loaded(_site("{}"))
    older = json.loads(dump(topology))
    del older["sites"][0]["cohort"]["defects"], older["training"]["curation"]
    assert revive(json.dumps(older)) == topology


def test_a_sites_own_defects_replace_those_of_defaults_and_may_be_none(loaded: Load) -> None:
    defaults = "{defects: {missing-slice: 10%}}"
    assert loaded(_site("{}", defaults)).sites[0].cohort.defects == {"missing-slice": 3}
    assert loaded(_site("{defects: {two-volumes: 10%}}", defaults)).sites[0].cohort.defects == {"two-volumes": 3}
    assert loaded(_site("{defects: {}}", defaults)).sites[0].cohort.defects == {}


@pytest.mark.parametrize(
    ("defects", "told"),
    [
        ("{missing-slices: 5%}", "did you mean 'missing-slice'?"),
        ("{missing-slice: 5}", "cohort.defects.missing-slice: found '5'; expected a share from 0% to 100%"),
        (
            "{missing-slice: 60%, two-volumes: 50%}",
            "add up to 100% at most; these add up to 110%",
        ),
    ],
)
def test_what_is_no_defect_is_refused(refused: Refuse, defects: str, told: str) -> None:
    (problem,) = refused(_site(f"{{defects: {defects}}}"))
    assert told in problem


def test_what_findings_lead_to_is_kept_unless_said(loaded: Load) -> None:
    assert loaded(_site("{}")).training.curation is None
    assert loaded(_site("{}") + "training: {curation: drop}\n").training.curation == "drop"
