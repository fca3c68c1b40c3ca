"""Retrieval by C-MOVE: the PACS brings the objects to a port of ours, if it knows where that is."""

from collections.abc import Sequence

from nodes.errors import Cut, Declined
from nodes.pull.batches import questions
from nodes.pull.dimse import commands
from nodes.pull.dimse.association import FIND, MOVE, Association
from nodes.pull.dimse.destination import Destination
from nodes.pull.dimse.query import STUDY
from nodes.pull.intake import Intake
from nodes.pull.links import Links
from nodes.pull.listing import Entry
from nodes.pull.ways import register


@register("c-move")
class CMove:
    """C-MOVE of the Study Root model (PS3.4, C.4.2)."""

    def __init__(self, links: Links) -> None:
        self._links = links

    def lacks(self) -> str | None:
        """It needs a PACS that accepts C-MOVE; whether it knows us shows when it is asked."""
        if self._links.endpoint.dimse_port is None:
            return "it speaks no DIMSE"
        return None if self._association().has(MOVE) else "it does not accept C-MOVE"

    def whole(self, intake: Intake) -> None:
        """All objects of the study, whatever they are."""
        self._move(intake, "STUDY", {STUDY: intake.study})

    def some(self, intake: Intake, missing: Sequence[Entry]) -> None:
        """By series or lists of instances."""
        for level, keys, asked in questions(intake, missing):
            try:
                self._move(intake, level, keys)
            except Declined as error:
                intake.refused |= {one.uid: str(error) for one in asked if one.uid not in intake.holding}

    def _association(self) -> Association:
        return self._links.association((FIND, MOVE))

    def _move(self, intake: Intake, level: str, keys: dict[int, str]) -> None:
        association = self._association()
        destination: Destination = self._links.destination(association)
        rx, tx = association.wire.rx, association.wire.tx
        try:
            with destination.bringing(intake):
                answer = association.move(level, keys, self._links.endpoint.calling_aet, destination.alive)
        except Declined as error:
            if destination.called:
                raise Cut(str(error)) from error  # it knows us: what broke was the way to our port
            raise
        finally:
            intake.carried(association.wire.rx - rx, association.wire.tx - tx)
        if commands.number(answer, commands.FAILED) or commands.number(answer, commands.STATUS):
            intake.noted.append(f"{association.peer} answered C-MOVE with {commands.meaning(answer)}")
