from hypothesis import given
from hypothesis import strategies as st

from testbed.units import counted, octets, percent, rate, seconds


def test_bytes_are_read_in_si_units() -> None:
    assert [octets(n) for n in (0, 999, 1000, 17_300_000, 938e6, 1.5e9)] == [
        "0 B", "999 B", "1.0 kB", "17.3 MB", "938 MB", "1.5 GB",
    ]  # fmt: skip


@given(st.integers(min_value=0, max_value=10**15))
def test_a_figure_never_needs_more_than_four_digits_below_a_petabyte(count: int) -> None:
    number, unit = octets(count).split()
    assert len(number.replace(".", "")) <= 4
    assert unit in {"B", "kB", "MB", "GB", "TB"}


def test_rates_keep_what_was_asked() -> None:
    assert [rate(n) for n in (1e9, 50e6, 1_200_000, 64_000)] == [
        "1 Gbit/s",
        "50 Mbit/s",
        "1.2 Mbit/s",
        "64 kbit/s",
    ]


def test_durations_change_their_unit_where_people_do() -> None:
    assert [seconds(s) for s in (0, 0.0026, 1.26, 119, 200, 7500)] == [
        "0.0 s", "2.6 ms", "1.3 s", "119.0 s", "3 min 20 s", "2 h 05 min",
    ]  # fmt: skip


def test_nouns_agree_with_their_number() -> None:
    assert [counted(1, "site"), counted(50, "site"), counted(1500, "study")] == [
        "1 site",
        "50 sites",
        "1,500 studies",
    ]


def test_fractions_are_shown_as_percent() -> None:
    assert percent(0.624) == "62.4 %"
