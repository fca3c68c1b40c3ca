"""docs/reference/topology.md says what the program does."""

import re
from decimal import Decimal
from pathlib import Path

import pytest
from topology_texts import Load, Refuse

from emulator.topology import Known, schema
from emulator.topology.links import BurstyLoss
from emulator.topology.profiles import shipped
from emulator.topology.units import DURATION, RATE, SHARE, Quantity


@pytest.fixture(scope="module")
def reference() -> str:
    return (Path(__file__).parents[3] / "docs" / "reference" / "topology.md").read_text()


def _cell(quantity: Quantity, value: float | None) -> str:
    return quantity.render(Decimal(repr(value))) if value else "–"


def _loss_cell(loss: object) -> str:
    if isinstance(loss, BurstyLoss):
        return f"{_cell(SHARE, loss.mean)}, {loss.burst:g} in a row"
    assert loss is None or isinstance(loss, float)
    return _cell(SHARE, loss)


def _blocks(reference: str) -> list[str]:
    return re.findall(r"^```\w*\n(.*?)^```$", reference, re.DOTALL | re.MULTILINE)


def test_every_link_profile_is_in_the_reference_with_its_figures(reference: str) -> None:
    for name, link in shipped().items():
        figures = [_cell(RATE, link.down or link.rate), _cell(RATE, link.up or link.rate), _cell(DURATION, link.rtt)]
        row = [f"`{name}`", *figures, _cell(DURATION, link.jitter), _loss_cell(link.loss)]
        assert f"| {' | '.join(row)} |" in reference


def test_every_key_is_in_the_reference(reference: str, known: Known) -> None:
    document = schema(known)
    for model in (document, *document["$defs"].values()):
        for key in model.get("properties", {}):
            assert re.search(rf"[`{{ ]{key}[`:]", reference), key


def test_the_example_of_the_reference_loads(reference: str, loaded: Load) -> None:
    example = _blocks(reference)[0]
    assert [site.name for site in loaded(example).sites] == ["lyon", "brest"]


def test_the_problems_that_the_reference_shows_are_real(reference: str, refused: Refuse) -> None:
    written, told = _blocks(reference)[-2:]
    assert refused(written) == tuple(told.replace("my.yaml", "x.yaml").splitlines())
