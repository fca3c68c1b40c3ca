"""Listing over DICOMweb (QIDO-RS)."""

import json
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlencode

from nodes.errors import Unreadable
from nodes.pull.listing import Entry, Oddities, StudyEntry
from nodes.pull.packs import checked_uid
from nodes.pull.web import Web

_JSON: Final = ("application/dicom+json", "application/json")
_PAGE: Final = 500
_LARGEST_PAGE: Final = 64 * 2**20
_STUDY, _SERIES, _INSTANCE, _CLASS, _COUNT = "0020000D", "0020000E", "00080018", "00080016", "00201208"


class Qido:
    """Asks a DICOMweb server what it has."""

    def __init__(self, web: Web) -> None:
        self._web = web
        self.odd = Oddities()

    def studies(self) -> list[StudyEntry]:
        """All studies."""
        found: dict[str, StudyEntry] = {}
        for item in self._pages("/studies", {"includefield": _COUNT}, _STUDY):
            with self.odd.passed_over():
                uid = checked_uid(_text(item, _STUDY), "a study's UID")
                count = _text(item, _COUNT)
                found[uid] = StudyEntry(uid, int(count) if count.isascii() and count.isdigit() else None)
        return [found[uid] for uid in sorted(found)]

    def instances(self, study: str) -> list[Entry]:
        """All instances of a study. Where the list lacks their series, the study's metadata say it."""
        items = list(self._pages(f"/studies/{study}/instances", {"includefield": _CLASS}, _INSTANCE))
        if not items or any(not _text(item, _SERIES) for item in items):
            items = self._ask(f"/studies/{study}/metadata")
        found: dict[str, Entry] = {}
        for item in items:
            with self.odd.passed_over():
                uid = checked_uid(_text(item, _INSTANCE), f"an instance of study {study}")
                series = checked_uid(_text(item, _SERIES), f"the series of instance {uid}")
                found[uid] = Entry(uid, series, _text(item, _CLASS))
        return list(found.values())

    def _pages(self, path: str, asked: dict[str, str], key: str) -> Iterator[dict[str, Any]]:
        """Every result once. A server may give fewer than was asked for; it has no more when a page is empty, or has
        nothing new: some ignore `offset`, and send the same page for ever."""
        seen: set[str] = set()
        place = 0
        while True:
            page = self._ask(f"{path}?{urlencode({'limit': _PAGE, 'offset': place, **asked})}")
            new = [item for item in page if _text(item, key) not in seen]
            seen.update(_text(item, key) for item in new)
            yield from new
            place += len(page)
            if not new:
                return

    def _ask(self, path: str) -> list[dict[str, Any]]:
        with self._web.get(path, "list", _JSON) as answer:
            content = answer.content(_LARGEST_PAGE)
            status, kind = answer.status, answer.content_type
        if status == 204 or not content:
            return []
        try:
            items = json.loads(content)
            if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
                raise ValueError("not a list of objects")
        except (ValueError, RecursionError) as error:
            raise Unreadable(
                f"{self._web.base_url}{path} answered with '{kind}' that is not DICOM JSON ({error!s:.100}): "
                f"{content[:60]!r}"
            ) from error
        return items


def _text(item: dict[str, Any], tag: str) -> str:
    """The first value of an attribute; empty where it has none, or none that could be a UID or a number."""
    element = item.get(tag)
    values = element.get("Value") if isinstance(element, dict) else None
    first = values[0] if isinstance(values, list) and values else ""
    return str(first) if isinstance(first, str | int | float) else ""
