"""What the text of an unquoted YAML value means: the core schema of YAML 1.2 (spec 1.2.2, chapter 10.3).

So `yes`, `on`, `3T`, `1:30` and `2026-11-24` are texts: what a person writes for a name stays a name.
"""

import math
import re

from emulator.topology.tree import Plain

_WORDS: dict[str, Plain] = {
    word: value
    for words, value in (
        (("", "~", "null", "Null", "NULL"), None),
        (("true", "True", "TRUE"), True),
        (("false", "False", "FALSE"), False),
    )
    for word in words
}
_INTEGER = re.compile(r"[-+]?[0-9]+")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_REAL = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_MOST_DIGITS = 40  # longer ones are no quantity of this world, and Python refuses them from 4300 on
LARGEST = 2**63 - 1


class NoNumber(ValueError):  # noqa: N818 - reads as the sentence it is
    """The text is a number that a topology can't hold; the message says which numbers it can."""


def value_of(text: str) -> Plain:
    """The value of an unquoted text. Raises `NoNumber` where it is infinite, not a number, or past 64 bits."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text) or _BASED.fullmatch(text):
        return _integer(text)
    if _REAL.fullmatch(text) or _NOT_FINITE.fullmatch(text):
        return _real(text)
    return text


def _integer(text: str) -> int:
    value = int(text, _base(text)) if len(text) <= _MOST_DIGITS else LARGEST + 1
    if abs(value) > LARGEST:
        raise NoNumber(f"a whole number from -{LARGEST} to {LARGEST}")
    return value


def _base(text: str) -> int:
    return {"0o": 8, "0x": 16}.get(text[:2], 10)


def _real(text: str) -> float:
    value = math.inf if _NOT_FINITE.fullmatch(text) else float(text)
    if not math.isfinite(value):
        raise NoNumber("a finite number")
    return value
