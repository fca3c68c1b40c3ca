"""The JSON Schema of topologies, for editors; and which keys a part of a topology may have."""

from collections.abc import Iterator
from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from emulator.faults import registry
from emulator.topology import profiles
from emulator.topology.document import Document
from emulator.topology.fields import KNOWN_MARK
from emulator.topology.tree import Node, Path, Scalar, child
from emulator.topology.words import SELECTORS, Known

Schema = dict[str, Any]

_NULL = {"type": "null"}  # how the models say that a key may be left out; written, it needs a value
_OWN = (
    "links",
    "pacs",
    "regions",
    "cohorts",
    "places",
    "ends",
    "targets",
)  # kinds of words that a document may add its own to


def schema(known: Known) -> Schema:
    """The JSON Schema (2020-12) of topologies, with the words that are known here."""
    words = {
        "links": sorted(profiles.shipped()),
        "pacs": sorted(known.flavours),
        "regions": [],
        "places": [],
        "ends": [],
        "flavours": sorted(known.flavours),
        "scanners": sorted(known.scanners),
        "tasks": sorted(known.tasks),
        "algorithms": sorted(known.algorithms),
        "cohorts": sorted(known.cohorts),
        "images": sorted(known.images),
        "targets": ["hub", *SELECTORS],
        "faults": [*registry.names()],
    }
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "PACS testbed topology"}
    named = _with_words(_with_options(known), words)
    return {**named, **head}


def _with_options(known: Known) -> Schema:
    """The schema of documents, in which a PACS profile has the options of its flavour."""
    flavours = sorted(known.options)
    models: list[type[BaseModel]] = [Document, *(known.options[name] for name in flavours)]
    forms: list[tuple[type[BaseModel], JsonSchemaMode]] = [(model, "validation") for model in models]
    found, whole = models_json_schema(forms, ref_template="#/$defs/{model}")
    parts = [found[form] for form in forms]
    definitions = whole["$defs"]
    document = definitions.pop(parts[0]["$ref"].rpartition("/")[2])
    definitions["PacsDocument"]["allOf"] = [
        {"if": {"properties": {"flavour": {"const": name}}}, "then": _open(definitions, part)}
        for name, part in zip(flavours, parts[1:], strict=True)
    ]
    return {**document, "$defs": definitions}


def _open(definitions: Schema, part: Schema) -> Schema:
    """A flavour's form as a part of a profile: it has the profile's own keys beside it."""
    form = definitions[part["$ref"].rpartition("/")[2]]
    flavour = definitions["PacsDocument"]["properties"]["flavour"]
    return {**form, "properties": {"flavour": flavour, **form["properties"]}}


def _with_words(part: Any, words: dict[str, list[str]]) -> Any:
    if isinstance(part, list):
        return [_with_words(item, words) for item in part if item != _NULL]
    if not isinstance(part, dict):
        return part
    filled = {key: _with_words(value, words) for key, value in part.items() if key not in (KNOWN_MARK, "title")}
    if "default" in part and not _is_as_written(part):
        del filled["default"]
    of = part.get(KNOWN_MARK)
    if of in _OWN:
        if not words[of]:
            return filled
        return filled | {"anyOf": [{"enum": words[of]}, {"type": "string"}]}
    return filled | ({"enum": words[of]} if of else {})


def _is_as_written(part: Schema) -> bool:
    """Whether a default is what a person would write: no None, and no bare number where a unit is needed."""
    return part["default"] is not None and isinstance(part["default"], str) == (part.get("type") == "string")


def keys(path: Path, written: Node | None = None, whole: type[BaseModel] = Document) -> frozenset[str]:
    """The keys that the mapping at this path of a document may have, being of the kind that is `written` there.

    `whole` is what the path starts in.
    """
    schema = _schema(whole)
    parts = [schema]
    for step in path:
        parts = [below for part in parts for form in _forms(part, schema) if (below := _below(form, step)) is not None]
    forms = [form for part in parts for form in _forms(part, schema) if written is None or _is_of_kind(form, written)]
    return frozenset(key for form in forms for key in form.get("properties", {}))


def _is_of_kind(form: Schema, written: Node) -> bool:
    """Whether the words that make a form, such as `toxic: latency`, are those that are written."""
    fixed = {key: part["const"] for key, part in form.get("properties", {}).items() if "const" in part}
    there = {key: child(written, key) for key in fixed}
    return all(isinstance(node, Scalar) and node.value == fixed[key] for key, node in there.items())


@cache
def _schema(form: type[BaseModel]) -> Schema:
    return form.model_json_schema()


def _forms(part: Schema, whole: Schema) -> Iterator[Schema]:
    """The part itself and all its variants, references followed."""
    yield part
    if reference := part.get("$ref"):
        yield from _forms(whole["$defs"][reference.rpartition("/")[2]], whole)
    for combined in ("anyOf", "oneOf", "allOf"):
        for variant in part.get(combined, ()):
            yield from _forms(variant, whole)


def _below(form: Schema, step: str | int) -> Schema | None:
    if isinstance(step, int):
        return form.get("items")
    own = form.get("properties", {}).get(step)
    named = form.get("patternProperties", {})  # of mappings whose keys are names: they are all alike
    further = next(iter(named.values()), form.get("additionalProperties"))
    return own or (further if isinstance(further, dict) else None)
