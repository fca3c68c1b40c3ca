"""Which questions a DIMSE retrieval of some instances of a study is made of."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

from nodes.pull.dimse.query import INSTANCE, SERIES, STUDY
from nodes.pull.intake import Intake
from nodes.pull.listing import Entry

_MOST: Final = 64
Question = tuple[str, dict[int, str], Sequence[Entry]]
"""Level, keys, and the instances that are asked for."""


def questions(intake: Intake, missing: Sequence[Entry]) -> Iterator[Question]:
    """A series by its UID where all of it is missing, else lists of instances (PS3.4, C.2.2.2.2 and C.4): one by one
    each would cost a round trip, and over C-MOVE an association. What a PACS does not give for a list, because it
    takes none, is asked for one by one.
    """
    here = {instance.series for instance in intake.holding.instances}
    for series, entries in groupby(sorted(missing, key=lambda one: one.series), key=lambda one: one.series):
        group = list(entries)
        keys = {STUDY: intake.study, SERIES: series}
        if series not in here and len(group) > 1:
            yield "SERIES", keys, group
        group = _left(intake, group)
        for start in range(0, len(group), _MOST):
            batch = group[start : start + _MOST]
            if len(batch) > 1:
                yield "IMAGE", {**keys, INSTANCE: "\\".join(one.uid for one in batch)}, batch
        for one in _left(intake, group):
            yield "IMAGE", {**keys, INSTANCE: one.uid}, [one]


def _left(intake: Intake, group: Sequence[Entry]) -> list[Entry]:
    return [one for one in group if one.uid not in intake.holding]
