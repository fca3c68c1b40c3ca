"""Retrieval by C-GET: objects come back by the association that asks for them."""

from collections.abc import Iterable, Sequence
from itertools import islice

from nodes.errors import Declined
from nodes.pull.batches import questions
from nodes.pull.dimse import commands
from nodes.pull.dimse.association import FIND, GET
from nodes.pull.dimse.query import STUDY
from nodes.pull.dimse.syntaxes import MOST_CLASSES
from nodes.pull.intake import Intake
from nodes.pull.links import Links
from nodes.pull.listing import Entry
from nodes.pull.ways import register


@register("c-get")
class CGet:
    """C-GET of the Study Root model (PS3.4, C.4.3)."""

    def __init__(self, links: Links) -> None:
        self._links = links

    def lacks(self) -> str | None:
        """It needs a PACS that accepts C-GET."""
        if self._links.endpoint.dimse_port is None:
            return "it speaks no DIMSE"
        return None if self._links.association().has(GET) else "it does not accept C-GET"

    def whole(self, intake: Intake) -> None:
        """All objects of the study, of the classes that are usual."""
        self._get(intake, "STUDY", {STUDY: intake.study}, ())

    def some(self, intake: Intake, missing: Sequence[Entry]) -> None:
        """By series or lists of instances, over associations that offer just these objects' classes."""
        for classes in _batches(sorted({one.sop_class for one in missing} - {""})):
            for level, keys, asked in questions(intake, [one for one in missing if one.sop_class in classes]):
                try:
                    self._get(intake, level, keys, classes)
                except Declined as error:
                    intake.refused |= {one.uid: str(error) for one in asked if one.uid not in intake.holding}

    def _get(self, intake: Intake, level: str, keys: dict[int, str], classes: Sequence[str]) -> None:
        association = self._links.association((FIND, GET), [one for one in classes if one])
        rx, tx = association.wire.rx, association.wire.tx
        try:
            answer = association.get(level, keys, intake)
        finally:
            intake.carried(association.wire.rx - rx, association.wire.tx - tx)
        if commands.number(answer, commands.FAILED) or commands.number(answer, commands.STATUS):
            intake.noted.append(f"{association.peer} answered C-GET with {commands.meaning(answer)}")


def _batches(classes: Iterable[str]) -> list[tuple[str, ...]]:
    """As many as an association can offer; what does not say its class comes with the first."""
    rest = iter(["", *classes])
    return list(iter(lambda: tuple(islice(rest, MOST_CLASSES)), ()))
