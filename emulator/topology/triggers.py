"""When a fault happens, as it is written: `90s`, `round 5`, `round 5 update`, `every 3 rounds model 2MiB`."""

import re
from dataclasses import dataclass
from typing import Any, get_args

from emulator.topology.fields import Kind, refusal
from emulator.topology.resolved import Moment, Trigger
from emulator.topology.units import DURATION, SIZE, WrongQuantity
from emulator.topology.words import Words

_WITH_BYTES = ("model", "update")
_MOMENTS = get_args(Moment)
_ROUNDS = re.compile(
    r"(?:round (?P<round>[1-9]\d{0,4})|every (?:round|(?P<every>[1-9]\d{0,4}) rounds))(?: (?P<rest>.+))?"
)
_EXPECTED = "a time, such as 90s, or a round, such as 'round 5', 'every round', 'every 3 rounds', 'round 5 update'"
_ADVICE = (
    f"after a round, one of {', '.join(_MOMENTS)}; after {' or '.join(_WITH_BYTES)}, a number of bytes such as 1MiB"
)


@dataclass(frozen=True)
class When(Kind):
    """A trigger."""

    def check(self, value: Any, words: Words | None) -> Trigger:
        if isinstance(value, Trigger):
            return value
        if not isinstance(value, str):
            raise refusal(_EXPECTED, _ADVICE)
        return parsed(value)

    def described(self) -> dict[str, Any]:
        return {
            "type": "string",
            "description": "when: a time since the run began (90s), or a round and a moment of it",
            "examples": ["90s", "round 5", "round 5 update", "every 3 rounds", "round 2 model 1MiB"],
        }


def parsed(text: str) -> Trigger:
    """The trigger that a text says. Raises `refusal`."""
    found = _ROUNDS.fullmatch(" ".join(text.split()))
    if found is None:
        return Trigger(at_s=_time(text))
    moment, _, after = (found["rest"] or "").partition(" ")
    if moment and moment not in _MOMENTS:
        raise refusal(_EXPECTED, _ADVICE)
    every = int(found["every"] or 1) if found["round"] is None else None
    number = int(found["round"]) if found["round"] else None
    return Trigger(round=number, every=every, moment=moment or None, bytes=_bytes(moment, after))  # type: ignore[arg-type]  # looked at above


def _time(text: str) -> float:
    try:
        at_s = float(DURATION.parse(text))
    except WrongQuantity as error:
        raise refusal(_EXPECTED, _ADVICE) from error
    if at_s < 0:
        raise refusal(_EXPECTED, "a run begins at 0s")
    return at_s


def _bytes(moment: str, after: str) -> int | None:
    if not after:
        return None
    try:
        count = SIZE.parse(after.removeprefix("after "))
    except WrongQuantity as error:
        raise refusal(_EXPECTED, _ADVICE) from error
    if moment not in _WITH_BYTES or count < 1 or count % 1:
        raise refusal(_EXPECTED, _ADVICE)
    return int(count)
