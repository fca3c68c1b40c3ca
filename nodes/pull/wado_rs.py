"""Retrieval over DICOMweb: the study in one answer; else by series; else each instance; else its frames."""

from collections.abc import Sequence
from itertools import groupby
from typing import Final

from nodes.errors import Declined, Unreadable
from nodes.pull.intake import Intake
from nodes.pull.links import Links
from nodes.pull.listing import Entry
from nodes.pull.multipart import Piece, Splitter, boundary_of
from nodes.pull.rebuilding import rebuild
from nodes.pull.store import Stream
from nodes.pull.ways import register
from nodes.pull.web import Answer

_MULTIPART: Final = 'multipart/related; type="application/dicom"'
_PARTIAL: Final = 206
_EXPLICIT: Final = f"{_MULTIPART}; transfer-syntax=1.2.840.10008.1.2.1"
_STORED: Final = f"{_MULTIPART}; transfer-syntax=*"
MANY: Final = (_STORED, _EXPLICIT, _MULTIPART, "multipart/related; type=application/dicom")
"""As it is stored first: nobody's processor has to change it. Then what else servers want to read."""
ONE: Final = (*MANY, "application/dicom; transfer-syntax=*", "application/dicom")


@register("wado-rs")
class WadoRs:
    """WADO-RS (PS3.18, 10.4)."""

    def __init__(self, links: Links) -> None:
        self._links = links

    def lacks(self) -> str | None:
        """It needs a DICOMweb root."""
        return None if self._links.endpoint.dicomweb else "it speaks no DICOMweb"

    def whole(self, intake: Intake) -> None:
        """The whole study in one answer. Where the PACS has it but not so, it is noted."""
        try:
            self._take(intake, f"/studies/{intake.study}")
        except Declined as error:
            if any(f" answered {code} " in str(error) for code in (401, 403, 404)):
                raise
            intake.noted.append(str(error))
        except Unreadable as error:
            intake.noted.append(str(error))

    def some(self, intake: Intake, missing: Sequence[Entry]) -> None:
        """A series in one answer where all of it is missing, else one by one."""
        here = {instance.series for instance in intake.holding.instances}
        for series, entries in groupby(sorted(missing, key=lambda one: one.series), key=lambda one: one.series):
            group = list(entries)
            if series in here or len(group) == 1 or not self._series(intake, series):
                self._one_by_one(intake, [one for one in group if one.uid not in intake.holding])

    def _series(self, intake: Intake, series: str) -> bool:
        try:
            self._take(intake, f"/studies/{intake.study}/series/{series}")
        except (Declined, Unreadable) as error:
            intake.noted.append(str(error))
            return False
        return True

    def _one_by_one(self, intake: Intake, missing: Sequence[Entry]) -> None:
        with intake.holding.stream() as stream:
            for one in missing:
                path = f"/studies/{intake.study}/series/{one.series}/instances/{one.uid}"
                try:
                    self._into(stream, intake, path, ONE, one.uid)
                except (Declined, Unreadable) as error:
                    stream.abort()
                    self._from_frames(stream, intake, path, one.uid, str(error))

    def _from_frames(self, stream: Stream, intake: Intake, path: str, uid: str, why: str) -> None:
        """The last resort: what a viewer would make of it."""
        try:
            intake.carried(rebuild(self._links.web, path, stream.piece), 0)
            intake.count(stream.end(uid), uid)
            intake.noted.append("instances put together from their metadata and frames, as they were not to be had")
        except (Declined, Unreadable) as error:
            stream.abort()
            intake.refused[uid] = f"{why}; nor from its metadata and frames: {error}"

    def _take(self, intake: Intake, path: str) -> None:
        with intake.holding.stream() as stream:
            self._into(stream, intake, path, MANY, None)

    def _into(self, stream: Stream, intake: Intake, path: str, accepts: Sequence[str], asked: str | None) -> None:
        kind = "many" if accepts is MANY else "one"
        with self._links.web.get(path, kind, accepts) as answer:
            if answer.status == _PARTIAL:
                intake.noted.append(f"{self._links.web.base_url}{path} answered 206: not all of it")
            try:
                if answer.content_type.partition(";")[0].strip().lower() == "application/dicom":
                    self._single(intake, answer, stream, asked)
                else:
                    self._parts(intake, answer, stream, asked)
            except Unreadable as error:
                raise Unreadable(f"{self._links.web.base_url}{path}: {error}") from error
            finally:
                intake.carried(answer.received, 0)

    def _single(self, intake: Intake, answer: Answer, stream: Stream, asked: str | None) -> None:
        for chunk in answer.chunks():
            stream.piece(chunk)
        intake.count(stream.end(asked), asked or "")

    def _parts(self, intake: Intake, answer: Answer, stream: Stream, asked: str | None) -> None:
        splitter = Splitter(boundary_of(answer.content_type))
        number, broken = 0, False
        for chunk in answer.chunks():
            for piece in splitter.feed(chunk):
                number += piece.first
                called = asked or f"part {number}"
                if broken and not piece.first:
                    continue
                with intake.judging(called):
                    self._piece(intake, stream, piece, asked, called)
                    broken = False
                    continue
                broken = True
                stream.abort()
        splitter.finish()

    def _piece(self, intake: Intake, stream: Stream, piece: Piece, asked: str | None, called: str) -> None:
        new = stream.take(piece, asked)
        if new is not None:
            intake.count(new, called)
