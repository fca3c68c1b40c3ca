"""`faults` as they are written: what happens, where and when."""

from dataclasses import replace
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, Tag

from emulator.topology.fields import Measured, Word
from emulator.topology.forms import Form, choice
from emulator.topology.resolved import Trigger
from emulator.topology.triggers import When
from emulator.topology.units import DURATION, SHARE

OWN_KEYS = frozenset(("at", "on", "fault", "for", "chance"))
"""Keys of every fault; all others are settings of its kind."""

_WHERE = "a site, a group, hub, all, any (one site, drawn from the seed) or slowest (the one with the least rate up)"
Target = Annotated[str, Word(_WHERE, "targets")]


def _on_variant(value: Any) -> str:
    return "=several" if isinstance(value, list) else "=one"


class FaultDocument(BaseModel):
    """Something that happens while a training runs. Every further key is a setting of that fault."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    at: Annotated[Trigger, When()]
    on: Annotated[
        Annotated[Target, Tag("=one")] | Annotated[Annotated[list[Target], Field(min_length=1)], Tag("=several")],
        choice(_on_variant, _WHERE),
    ] = Field(description=_WHERE)
    fault: Annotated[str, Word("a fault (testbed fault --kinds)", "faults")]
    lasting: Annotated[float, Measured(replace(DURATION, example="30s"), "100ms", "1440min")] | None = Field(
        default=None, alias="for", description="how long it lasts, on the run's clock"
    )
    chance: Annotated[float, Measured(replace(SHARE, example="20%"), "0%", "100%")] = Field(
        default=1.0, description="how likely it happens each time, at each of its sites; drawn from the run's seed"
    )


class ScenarioDocument(Form):
    """A scenario: faults that belong together, for whatever topology has what they name."""

    name: str = Field(description="the scenario's name")
    about: str | None = Field(default=None, description="what happens, in a sentence")
    source: str | None = Field(default=None, description="where it was reported")
    faults: Annotated[list[FaultDocument], Field(min_length=1)] = Field(description="what happens, and when")
