"""The JSON Schema for editors knows what the loader knows."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from emulator.topology import Known, schema
from emulator.topology.json_schema import keys
from emulator.topology.parsing import parse
from emulator.topology.tree import Entries, Items, Node


@pytest.fixture(scope="module")
def text(known: Known) -> str:
    return json.dumps(schema(known))


def _parts(part: Any) -> Iterator[dict[str, Any]]:
    if isinstance(part, dict):
        yield part
    for below in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from _parts(below)


def test_every_known_word_is_offered(known: Known) -> None:
    offered = [part["enum"] for part in _parts(schema(known)) if "enum" in part]
    for words in (known.flavours, known.scanners, known.tasks, known.algorithms):
        assert sorted(words) in offered


def test_links_and_pacs_may_be_words_of_the_document_s_own(known: Known) -> None:
    (link,) = [part for part in schema(known)["$defs"]["HubDocument"]["properties"]["link"]["anyOf"] if "anyOf" in part]
    assert "4g" in link["anyOf"][0]["enum"]
    assert link["anyOf"][1] == {"type": "string"}


def test_no_mark_of_ours_is_left_and_every_reference_leads_somewhere(known: Known, text: str) -> None:
    document = schema(known)
    assert "x-known" not in text
    for part in _parts(document):
        if reference := part.get("$ref"):
            assert reference.rpartition("/")[2] in document["$defs"]


def test_every_key_has_a_description(known: Known) -> None:
    bare = [
        key
        for part in _parts(schema(known))
        for key, value in part.get("properties", {}).items()
        if not {"description", "$ref"} & value.keys()
    ]
    assert bare == ["modalities"] * bare.count("modalities")


def test_no_default_is_offered_that_could_not_be_written(known: Known) -> None:
    for part in _parts(schema(known)):
        assert part.get("default", "") is not None
        assert not (part.get("type") == "string" and isinstance(part.get("default"), float))


def test_editors_are_told_that_a_site_is_one_or_many(known: Known) -> None:
    choices = schema(known)["$defs"]["SiteDocument"]["oneOf"]
    assert choices == [{"required": ["name"]}, {"required": ["group", "count"]}]


def _paths(node: Node, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if isinstance(node, Entries):
        for key, value in node.values.items():
            yield path, key
            yield from _paths(value, (*path, key))
    if isinstance(node, Items):
        for index, item in enumerate(node.items):
            yield from _paths(item, (*path, index))


@pytest.mark.parametrize("name", ["quickstart.yaml", "50_sites.yaml"])
def test_every_key_of_the_shipped_topologies_is_in_the_schema(shipped_topologies: Path, name: str) -> None:
    tree, _ = parse((shipped_topologies / name).read_text())
    given = {"links", "pacs"}  # below these the document names its own
    for path, key in _paths(tree):
        if path[:1] and path[0] in given:
            continue
        assert key in keys(path), (path, key)
