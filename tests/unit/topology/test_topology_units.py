"""Quantities: what is rendered is parsed to the same value, and what is wrong is explained."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.topology.units import DURATION, RATE, SHARE, SIZE, Quantity, WrongQuantity

LOOKALIKES = [(quantity, text) for quantity in (RATE, DURATION, SHARE, SIZE) for text in quantity.lookalikes]


@given(st.integers(1, 10**12))
def test_every_rate_is_parsed_to_what_was_rendered(rate_bps: int) -> None:
    assert round(RATE.parse(RATE.render(Decimal(rate_bps)))) == rate_bps


@given(st.floats(0, 3600, allow_subnormal=False).filter(lambda s: s == 0 or s > 1e-15))
def test_every_duration_is_parsed_to_the_last_bit_of_what_was_rendered(seconds: float) -> None:
    assert float(DURATION.parse(DURATION.render(Decimal(repr(seconds))))) == seconds


@given(st.floats(0, 1, allow_subnormal=False).filter(lambda s: s == 0 or s > 1e-15))
def test_every_share_is_parsed_to_the_last_bit_of_what_was_rendered(share: float) -> None:
    assert float(SHARE.parse(SHARE.render(Decimal(repr(share))))) == share


@given(st.sampled_from([RATE, DURATION, SHARE, SIZE]), st.text(max_size=30))
def test_any_text_is_a_quantity_or_explained(quantity: Quantity, text: str) -> None:
    try:
        explained = str(quantity.parse(text))
    except WrongQuantity as error:
        explained = str(error)
    assert explained


@pytest.mark.parametrize(
    ("quantity", "text", "value"),
    [
        (RATE, "100mbit", 100e6), (RATE, "1.5gbit", 1.5e9), (RATE, "64kbit", 64e3), (RATE, "9600bit", 9600),
        (RATE, "100 Mbit", 100e6), (DURATION, "40ms", 0.04), (DURATION, "0.5s", 0.5), (DURATION, "250us", 0.00025),
        (DURATION, "2min", 120), (SHARE, "0.1%", 0.001), (SHARE, "100%", 1.0),
        (SIZE, "2MiB", 2**21), (SIZE, "1.5kB", 1500),
    ],
)  # fmt: skip
def test_quantities_mean_what_they_say(quantity: Quantity, text: str, value: float) -> None:
    assert float(quantity.parse(text)) == value


@pytest.mark.parametrize(
    ("value", "text"),
    [("100000000", "100mbit"), ("1500", "1.5kbit"), ("999", "999bit"), ("1000", "1kbit"), ("1e12", "1000gbit")],
)
def test_rates_are_rendered_in_the_unit_a_person_would_choose(value: str, text: str) -> None:
    assert RATE.render(Decimal(value)) == text


@pytest.mark.parametrize(("quantity", "unit"), LOOKALIKES)
def test_a_unit_of_another_habit_is_answered_with_the_right_one(quantity: Quantity, unit: str) -> None:
    if unit in quantity.units:
        pytest.skip("a real unit")
    with pytest.raises(WrongQuantity, match=f"3{quantity.lookalikes[unit]}|3 with one of|number and its unit"):
        quantity.parse(f"3{unit}")


def test_a_number_alone_is_told_which_units_there_are() -> None:
    with pytest.raises(WrongQuantity, match="write 40 with one of us, ms, s, min"):
        DURATION.parse("40")


@pytest.mark.parametrize("text", ["", "ms", "1e3ms", "١ms", "0x10bit", "1,5mbit", "nanms", "9" * 5000 + "ms", "1\n2ms"])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(WrongQuantity):
        DURATION.parse(text)
