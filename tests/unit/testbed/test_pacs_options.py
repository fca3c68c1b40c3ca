"""The options of PACS profiles are checked with the document, by the forms that the flavours bring along."""

from pathlib import Path
from typing import Any

import pytest

from emulator.errors import WrongInput
from emulator.topology import Topology, load, schema
from emulator.topology.json_schema import keys
from nodes.pacs import flavours
from testbed.composition import known

KNOWN = known()


def _loaded(folder: Path, profiles: str) -> Topology:
    file = folder / "x.yaml"
    file.write_text(f"name: x\npacs:\n{profiles}\nsites: [{{name: lyon}}]\n")
    return load(file, KNOWN)


def _refused(folder: Path, profiles: str) -> list[str]:
    with pytest.raises(WrongInput) as caught:
        _loaded(folder, profiles)
    assert caught.value.exit_code == 2
    return str(caught.value).replace(f"{folder}/", "").split("\n")


UNKNOWN = "expected a key that is known here; did you mean"


@pytest.mark.parametrize(
    ("options", "mark", "problem"),
    [
        ("webb: {page: 3}", "webb", f"webb: found the key 'webb'; {UNKNOWN} 'web'?"),
        ("dimse: {aett: X}", "aett", f"dimse.aett: found the key 'aett'; {UNKNOWN} 'aet'?"),
        ("dimse: maybe", "maybe", "dimse: found 'maybe'; expected a mapping, or false where it speaks no DIMSE"),
        ("dimse: {aet: a b}", "a b", "dimse.aet: found 'a b'; expected a text that matches ^[A-Z0-9_]{1,16}$"),
        (
            "retrieve: [c-gett]",
            "c-gett",
            "retrieve.1: found 'c-gett'; expected 'wado-rs', 'c-get' or 'c-move'; did you",
        ),
        ("web: {page: many}", "many", "web.page: found 'many'; expected results a page from 1 to 10000"),
        ("web: {page: }", "page", "web.page: found nothing; expected a value; write one, or take the key away"),
        ("web: {idle: 2}", "2", "web.idle: found '2'; expected a duration from 0ms to 60min, such as 40ms"),
        ("web: {closed: [{at: 1min}]}", "{at", "web.closed.1.for: found no 'for'; expected 'for: …' in this mapping"),
        ("writes: {syntax: jpegls}", "jpegls", "writes.syntax: found 'jpegls'; expected 'explicit', 'implicit',"),
    ],
)
def test_a_wrong_option_is_told_at_its_place_as_every_other_mistake(
    tmp_path: Path, options: str, mark: str, problem: str
) -> None:
    profile = f"  p: {{flavour: orthanc, {options}}}"
    (line,) = _refused(tmp_path, profile)
    assert line.startswith(f"x.yaml:3:{profile.index(mark) + 1}: pacs.p.{problem}")


def test_all_wrong_options_are_told_at_once_with_what_else_is_wrong(tmp_path: Path) -> None:
    profiles = "  a: {flavour: orthanc, webb: {}, dimse: {pdu_bytes: 1}}\n  b: {flavour: orthank}\n  c: 3"
    told = [line.partition(": found")[0] for line in _refused(tmp_path, profiles)]
    assert told == [
        "x.yaml:3:25: pacs.a.webb",
        "x.yaml:3:54: pacs.a.dimse.pdu_bytes",
        "x.yaml:4:16: pacs.b.flavour",
        "x.yaml:5:6: pacs.c",
    ]


def test_right_options_are_kept_as_they_are_written(tmp_path: Path) -> None:
    written = "web: {page: 3, closed: [{at: 1min, for: 5min}]}, dimse: false, retrieve: [wado-rs]"
    topology = _loaded(tmp_path, f"  orthanc: {{flavour: orthanc, {written}}}")
    options = topology.sites[0].pacs.options
    assert options == {
        "web": {"page": 3, "closed": [{"at": "1min", "for": "5min"}]}, "dimse": False, "retrieve": ["wado-rs"],
    }  # fmt: skip


@pytest.mark.parametrize("name", sorted(flavours.names()))
def test_editors_are_offered_the_options_of_each_flavour(name: str) -> None:
    document = schema(KNOWN)
    definitions = document["$defs"]
    branches = {
        one["if"]["properties"]["flavour"]["const"]: one["then"] for one in definitions["PacsDocument"]["allOf"]
    }
    form = flavours.get(name).form
    assert branches[name]["properties"].keys() == {*keys((), None, form), "flavour"}
    assert all(reference.rpartition("/")[2] in definitions for reference in _references(document))


def _references(part: Any) -> list[str]:
    if isinstance(part, dict):
        own = [part["$ref"]] if "$ref" in part else []
        return own + [found for value in part.values() for found in _references(value)]
    return [found for item in part for found in _references(item)] if isinstance(part, list) else []
