"""The kinds of values that a topology's keys take: each reads, limits and describes its value.

Used as annotations of the models in `document`. All raise `refusal`: what was expected, and what to do.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from emulator.topology.units import Quantity, WrongQuantity
from emulator.topology.words import Words

REFUSED = "refused"
UNKNOWN_WORD = "unknown-word"
"""An error of its own, because finding the nearest word takes long: it is looked for only where it is shown."""
KNOWN_MARK = "x-known"
"""In a JSON Schema of the models: the name of the field of `Words` whose words this value may take."""

_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")
LONGEST_NAME = 32


def refusal(expected: str, advice: str = "") -> PydanticCustomError:
    """The one error of this package's own checks."""
    return PydanticCustomError(REFUSED, "expected {expected}; {advice}", {"expected": expected, "advice": advice})


class Kind:
    """A value with a check of its own and a JSON Schema of its own."""

    def check(self, value: Any, words: Words | None) -> Any:
        """The value as the program holds it. Raises `refusal`."""
        raise NotImplementedError

    def described(self) -> dict[str, Any]:
        """Its JSON Schema."""
        raise NotImplementedError

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_plain_validator_function(lambda value, info: self.check(value, info.context))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return self.described()


@dataclass(frozen=True)
class Measured(Kind):
    """A quantity with its unit, from `low` to `high` (as written); held as bits per second, seconds or a fraction.

    With a `step`, only whole multiples of it.
    """

    quantity: Quantity
    low: str
    high: str
    held: Callable[[Decimal], float] = float
    step: str | None = None

    def check(self, value: Any, words: Words | None) -> float:
        expected = f"{self.quantity.what} from {self.low} to {self.high}, such as {self.quantity.example}"
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise refusal(expected)
        try:
            measured = self.quantity.parse(str(value))
        except WrongQuantity as error:
            raise refusal(expected, str(error)) from error
        if not self.quantity.parse(self.low) <= measured <= self.quantity.parse(self.high):
            raise refusal(expected)
        if self.step and measured % self.quantity.parse(self.step):
            raise refusal(expected, f"it is counted in steps of {self.step}")
        return self.held(measured)

    def described(self) -> dict[str, Any]:
        units = "|".join(self.quantity.units)
        return {
            "type": "string",
            "pattern": rf"^[0-9]+(\.[0-9]+)? ?({units})$",
            "description": f"{self.quantity.what}, from {self.low} to {self.high}",
            "examples": [self.quantity.example],
        }


@dataclass(frozen=True)
class Whole(Kind):
    """A whole number from `low` to `high`."""

    what: str
    low: int
    high: int

    def check(self, value: Any, words: Words | None) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not self.low <= value <= self.high:
            raise refusal(f"{self.what} from {self.low} to {self.high}")
        return value

    def described(self) -> dict[str, Any]:
        return {"type": "integer", "minimum": self.low, "maximum": self.high, "description": self.what}


@dataclass(frozen=True)
class Number(Kind):
    """A number without a unit, from `low` to `high`."""

    what: str
    low: float
    high: float

    def check(self, value: Any, words: Words | None) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not self.low <= value <= self.high:
            raise refusal(f"{self.what} from {self.low:g} to {self.high:g}")
        return float(value)

    def described(self) -> dict[str, Any]:
        return {"type": "number", "minimum": self.low, "maximum": self.high, "description": self.what}


@dataclass(frozen=True)
class Name(Kind):
    """A name that the document gives; it becomes part of host names and folders. `taken` are others' names."""

    what: str
    taken: tuple[str, ...] = ()

    def check(self, value: Any, words: Words | None) -> str:
        return checked_name(value, self.what, self.taken)

    def described(self) -> dict[str, Any]:
        pattern = f"^{_NAME.pattern}$"
        return {"type": "string", "pattern": pattern, "maxLength": LONGEST_NAME, "description": self.what}


def is_name(text: str) -> bool:
    """Whether folders, host names and command lines can carry it as a name."""
    return len(text) <= LONGEST_NAME and bool(_NAME.fullmatch(text))


def checked_name(value: Any, what: str, taken: tuple[str, ...] = ()) -> str:
    """The name itself. Raises `refusal`."""
    expected = f"{what}: up to {LONGEST_NAME} of a-z, 0-9 and '-', a letter or digit first"
    if not isinstance(value, str):
        raise refusal(expected, "a number is a name only in quotes" if isinstance(value, int | float) else "")
    if value in taken:
        raise refusal(expected, f"'{value}' is a place of every world already")
    if not is_name(value):
        raise refusal(expected)
    return value


@dataclass(frozen=True)
class Word(Kind):
    """A word that is defined elsewhere: in the document, or by what this version offers (see `Words`)."""

    what: str
    of: Literal[
        "links",
        "pacs",
        "regions",
        "flavours",
        "scanners",
        "tasks",
        "algorithms",
        "cohorts",
        "places",
        "ends",
        "images",
        "targets",
        "faults",
    ]

    def check(self, value: Any, words: Words | None) -> str:
        known = getattr(words, self.of)
        if not isinstance(value, str) or value not in known:
            raise PydanticCustomError(UNKNOWN_WORD, "expected {expected}", {"expected": self.what, "of": self.of})
        return value

    def described(self) -> dict[str, Any]:
        return {"type": "string", KNOWN_MARK: self.of, "description": self.what}
