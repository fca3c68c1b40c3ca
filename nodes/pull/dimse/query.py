"""Listing over DIMSE (C-FIND, Study Root)."""

from collections.abc import Callable, Mapping

from nodes.pull.dimse import commands
from nodes.pull.dimse.association import Association
from nodes.pull.listing import Entry, Oddities, StudyEntry
from nodes.pull.packs import checked_uid

CLASS, INSTANCE, STUDY, SERIES, COUNT = 0x00080016, 0x00080018, 0x0020000D, 0x0020000E, 0x00201208


class Finder:
    """Asks a DICOM application entity what it has. Some give one answer an instance at every level, so that an answer
    may come many times."""

    def __init__(self, association: Callable[[], Association]) -> None:
        self._association = association
        self.odd = Oddities()

    def studies(self) -> list[StudyEntry]:
        """All studies. How many instances they have is asked apart, and believed where it tells of the same studies:
        tiny-pacs answers with one study and the sum of all.
        """
        counted = self._studies({STUDY: "", COUNT: ""})
        self.odd = Oddities()  # told once, by the next question
        listed = self._studies({STUDY: ""})
        counts = counted if counted.keys() == listed.keys() else listed
        return [StudyEntry(uid, counts[uid]) for uid in sorted(listed)]

    def _studies(self, keys: Mapping[int, str]) -> dict[str, int | None]:
        found: dict[str, int | None] = {}
        for answer in self._association().find("STUDY", keys):
            count = commands.text(answer, COUNT)
            with self.odd.passed_over():
                uid = checked_uid(commands.text(answer, STUDY), "a study's UID")
                found[uid] = int(count) if count.isascii() and count.isdigit() else None
        return found

    def instances(self, study: str) -> list[Entry]:
        """All instances of a study, series by series."""
        association = self._association()
        series = set[str]()
        for answer in association.find("SERIES", {STUDY: study, SERIES: ""}):
            with self.odd.passed_over():
                series.add(checked_uid(commands.text(answer, SERIES), f"a series of study {study}"))
        found: dict[str, Entry] = {}
        for one in sorted(series):
            for answer in association.find("IMAGE", {STUDY: study, SERIES: one, INSTANCE: "", CLASS: ""}):
                with self.odd.passed_over():
                    uid = checked_uid(commands.text(answer, INSTANCE), f"an instance of series {one}")
                    found[uid] = Entry(uid, one, commands.text(answer, CLASS))
        return list(found.values())
