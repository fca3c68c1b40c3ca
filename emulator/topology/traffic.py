"""Background traffic: flows as they are written, and for each site."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from emulator.topology.fields import Measured, Word, refusal
from emulator.topology.forms import Form
from emulator.topology.policy import HUB, named, one_hub
from emulator.topology.resolved import Flow, Site
from emulator.topology.units import DURATION, RATE

ON_S, OFF_S = 2.0, 8.0

End = Annotated[str, Word("the hub, a site or a group", "ends")]
Spell = Annotated[float, Measured(replace(DURATION, example="2s"), "10ms", "60min")]


class TrafficDocument(Form):
    """A flow between the hub and a site, or one for each site of a group."""

    source: End = Field(alias="from", description="who sends: the hub, a site, or each site of a group")
    to: End = Field(description="who gets it")
    pattern: Literal["constant", "poisson", "web"] = Field(
        description="equally spaced packets; packets at random moments; bursts at random moments"
    )
    rate: Annotated[int, Measured(replace(RATE, example="5mbit"), "1kbit", "10gbit", held=round)] = Field(
        description="its rate; of web, within a burst"
    )
    on: Spell | None = Field(default=None, description="of web: how long a burst is, on average")
    off: Spell | None = Field(default=None, description="of web: how long nothing is sent between bursts, on average")

    @model_validator(mode="after")
    def _has_the_hub_at_one_end(self) -> Self:
        if (self.source == HUB) == (self.to == HUB):
            raise one_hub()
        return self

    @model_validator(mode="after")
    def _pauses_only_where_it_bursts(self) -> Self:
        if self.pattern != "web" and (self.on is not None or self.off is not None):
            raise refusal("no 'on' and no 'off' here", "only the pattern 'web' has them")
        return self


def flows(entries: Sequence[TrafficDocument], sites: Sequence[Site]) -> tuple[Flow, ...]:
    """Every entry, for each site that it is about."""
    return tuple(_flow(entry, site) for entry in entries for site in named(_site(entry), sites))


def _site(entry: TrafficDocument) -> str:
    return entry.to if entry.source == HUB else entry.source


def _flow(entry: TrafficDocument, site: Site) -> Flow:
    source, target = (HUB, site.name) if entry.source == HUB else (site.name, HUB)
    if entry.pattern != "web":
        return Flow(source, target, entry.pattern, entry.rate)
    return Flow(source, target, "web", entry.rate, entry.on or ON_S, entry.off or OFF_S)
