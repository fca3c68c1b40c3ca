"""Quantities as people write them, `40ms`, `100mbit`, `0.1%`, and back: a number and its unit, both always written.

Numbers are exact decimals until the last step, so that what is rendered parses to the same value again.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, localcontext

_WRITTEN = re.compile(r"([+-]?[0-9]{1,40}(?:\.[0-9]{1,40})?) ?([A-Za-zµ%/]{0,16})")
_DIGITS = 100  # of a product: more than any two factors that _WRITTEN lets through can have


class WrongQuantity(ValueError):  # noqa: N818 - reads as the sentence it is
    """The text is not a quantity of this kind; the message says what to write instead."""


@dataclass(frozen=True, eq=False)  # hashed by identity: annotations are hashed
class Quantity:
    """One kind of quantity. `units` maps each unit to its size in the unit that the program reckons in, smallest first.

    `lookalikes` maps units that people write by mistake to the right ones, all in small letters.
    """

    what: str
    example: str
    units: Mapping[str, Decimal]
    lookalikes: Mapping[str, str]

    def parse(self, text: str) -> Decimal:
        """The value in the program's unit. Raises `WrongQuantity` that says what is wrong with the text."""
        written = _WRITTEN.fullmatch(text.strip())
        if written is None:
            raise WrongQuantity(f"write a number and its unit, such as {self.example}")
        number, unit = written.groups()
        size = self.units.get(unit) or self.units.get(unit.lower())
        if size is None:
            raise WrongQuantity(self._advice(number, unit))
        with localcontext(prec=_DIGITS):
            return Decimal(number) * size

    def render(self, value: Decimal) -> str:
        """The value in the largest unit that leaves at least 1 in front of the point; `parse` gives it back exactly."""
        with localcontext(prec=_DIGITS):
            decimal = [(unit, size) for unit, size in self.units.items() if _is_power_of_ten(size)]
            unit, size = next((u for u in reversed(decimal) if abs(value) >= u[1]), decimal[0])
            number = f"{(value / size):f}"
        return (number.rstrip("0").rstrip(".") if "." in number else number) + unit

    def _advice(self, number: str, unit: str) -> str:
        if not unit:
            return f"the unit is missing: write {number} with one of {', '.join(self.units)}"
        meant = self.lookalikes.get(unit.lower())
        known = f"units are {', '.join(self.units)}"
        return f"did you mean '{number}{meant}'? The {known}" if meant else f"'{unit}' is no unit here; {known}"


def _is_power_of_ten(size: Decimal) -> bool:
    return size.normalize().as_tuple().digits == (1,)


def _mistaken_rates() -> dict[str, str]:
    tails = ("", "b", "bs", "bps", "b/s", "bits", "bit/s", "bits/s", "ib", "ibit")
    return {prefix + tail: f"{prefix}bit" for prefix in "kmg" for tail in tails}


RATE = Quantity(
    what="a rate",
    example="100mbit",
    units={"bit": Decimal(1), "kbit": Decimal(10) ** 3, "mbit": Decimal(10) ** 6, "gbit": Decimal(10) ** 9},
    lookalikes=_mistaken_rates() | {"bps": "bit", "b/s": "bit", "bits": "bit", "bit/s": "bit"},
)
"""Bits per second, of IP packets with their headers. Thousands are thousands: `1kbit` is 1000 bit/s."""

DURATION = Quantity(
    what="a duration",
    example="40ms",
    units={"us": Decimal("1e-6"), "ms": Decimal("1e-3"), "s": Decimal(1), "min": Decimal(60)},
    lookalikes={
        "m": "min", "sec": "s", "secs": "s", "second": "s", "seconds": "s", "msec": "ms", "msecs": "ms",
        "mins": "min", "minute": "min", "minutes": "min", "usec": "us", "µs": "us",
    },
)  # fmt: skip
"""Seconds."""

SHARE = Quantity(
    what="a share",
    example="0.1%",
    units={"%": Decimal("0.01")},
    lookalikes={"percent": "%", "pct": "%", "pc": "%"},
)
"""A fraction of 1, written in per cent."""

SIZE = Quantity(
    what="a size",
    example="2MiB",
    units={
        "B": Decimal(1), "kB": Decimal(10) ** 3, "KiB": Decimal(2) ** 10, "MB": Decimal(10) ** 6,
        "MiB": Decimal(2) ** 20, "GB": Decimal(10) ** 9, "GiB": Decimal(2) ** 30, "TiB": Decimal(2) ** 40,
    },
    lookalikes={
        "b": "B", "byte": "B", "bytes": "B", "k": "KiB", "kb": "kB", "kib": "KiB", "m": "MiB", "mb": "MB",
        "mib": "MiB", "g": "GiB", "gb": "GB", "gib": "GiB", "tib": "TiB",
    },
)  # fmt: skip
"""Bytes. `kB`, `MB` and `GB` count by thousands, `KiB`, `MiB` and `GiB` by 1,024."""
