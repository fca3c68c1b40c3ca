"""Which ports are open across the WAN besides the hub's own: as written, and for each site."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Self

from pydantic import ConfigDict, Field, model_validator

from emulator.topology.fields import Whole, Word, refusal
from emulator.topology.forms import Form
from emulator.topology.resolved import Opening, Protocol, Site

HUB = "hub"
_MOST_PORTS = 64

Place = Annotated[str, Word("a place: hub, SITE, SITE/pacs, SITE/worker, or a group's name for its sites", "places")]
Ports = Annotated[list[Annotated[int, Whole("a port", 1, 65_535)]], Field(min_length=1, max_length=_MOST_PORTS)]


class PolicyDocument(Form):
    """Ports that one place may call at another."""

    model_config = ConfigDict(json_schema_extra={"anyOf": [{"required": ["tcp"]}, {"required": ["udp"]}]})

    source: Place = Field(alias="from", description="who may call: hub, SITE, SITE/pacs, SITE/worker, or a group")
    to: Place = Field(description="who may be called")
    tcp: Ports | None = Field(default=None, description="TCP ports")
    udp: Ports | None = Field(default=None, description="UDP ports")

    @model_validator(mode="after")
    def _opens_something(self) -> Self:
        if self.tcp is None and self.udp is None:
            raise refusal("'tcp' or 'udp', each with ports")
        return self

    @model_validator(mode="after")
    def _has_the_hub_at_one_end(self) -> Self:
        if (self.source == HUB) == (self.to == HUB):
            raise one_hub()
        return self


def one_hub() -> Exception:
    """Said of two ends that are not the hub and a site."""
    return refusal(
        "the hub at one end and sites at the other",
        "the router has queues for the paths between the hub and each site, and none from site to site",
    )


def openings(entries: Sequence[PolicyDocument], sites: Sequence[Site]) -> tuple[Opening, ...]:
    """Every entry, for each site that it is about; once each."""
    return tuple(dict.fromkeys(opening for entry in entries for opening in _of(entry, sites)))


def _of(entry: PolicyDocument, sites: Sequence[Site]) -> Iterator[Opening]:
    ports: tuple[tuple[Protocol, list[int] | None], ...] = (("tcp", entry.tcp), ("udp", entry.udp))
    for source in _places(entry.source, sites):
        for target in _places(entry.to, sites):
            yield from (
                Opening(source, target, protocol, port) for protocol, several in ports for port in several or ()
            )


def _places(word: str, sites: Sequence[Site]) -> list[str]:
    name, slash, role = word.partition("/")
    return [HUB] if word == HUB else [site.name + slash + role for site in named(name, sites)]


def named(word: str, sites: Sequence[Site]) -> list[Site]:
    """The site of that name, or those of the group."""
    return [site for site in sites if word in (site.name, site.group)]
