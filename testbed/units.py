"""Figures as people read them: SI units, few digits, the same in tables and in the report."""

from collections.abc import Sequence

_BYTES = ("B", "kB", "MB", "GB", "TB")
_RATES = ("bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s")
_MINUTE_S = 60
_HOUR_S = 3600


def octets(count: float) -> str:
    """Bytes: `17.3 MB`."""
    value, unit = _scaled(count, _BYTES)
    return f"{value:.1f} {unit}" if unit != "B" and abs(value) < 99.95 else f"{value:.0f} {unit}"


def rate(bits_per_second: float) -> str:
    """Bits per second: `50 Mbit/s`."""
    value, unit = _scaled(bits_per_second, _RATES)
    return f"{value:.4g} {unit}"


def seconds(duration_s: float) -> str:
    """A duration: `2.6 ms`, `12.4 s`, `3 min 20 s`, `2 h 05 min`."""
    if duration_s >= _HOUR_S:
        hours, rest = divmod(round(duration_s / _MINUTE_S), 60)
        return f"{hours} h {rest:02d} min"
    if duration_s >= _MINUTE_S * 2:
        minutes, rest = divmod(round(duration_s), 60)
        return f"{minutes} min {rest:02d} s"
    if duration_s < 1 and duration_s != 0:
        return f"{duration_s * 1000:.3g} ms"
    return f"{duration_s:.1f} s"


def percent(fraction: float) -> str:
    """A fraction from 0 to 1: `62.4 %`."""
    return f"{fraction * 100:.1f} %"


def counted(count: int, one: str) -> str:
    """A number with its noun: `1 site`, `50 sites`, `3 studies`."""
    many = f"{one[:-1]}ies" if one.endswith("y") else f"{one}s"
    return f"{count:,} {one if count == 1 else many}"


def _scaled(value: float, units: Sequence[str]) -> tuple[float, str]:
    step = 0
    while step < len(units) - 1 and abs(value) >= 999.5:
        value, step = value / 1000, step + 1
    return value, units[step]
