"""`toxic`: a fault on one service's TCP streams, as Toxiproxy makes them."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, ClassVar, Self

from pydantic import Field, TypeAdapter, ValidationError, model_validator

from emulator.faults.fault import Fault, Plan, Scene
from emulator.faults.process import program
from emulator.faults.registry import register
from emulator.topology import resolved
from emulator.topology.fields import refusal
from emulator.topology.toxics import ToxicDocument


@register("toxic")
class Toxic(Fault):
    """A fault on the TCP streams of one service, made by Toxiproxy at the site's gateway. Which settings a kind of
    toxic takes, and within which limits, is as in a topology's `toxics`. Connections that are open already may pass by
    it.
    """

    takes: ClassVar[str | None] = "the toxics"

    service: Any = Field(description="dicomweb or dimse of the site's PACS, or hub, as the site's worker sees it")
    toxic: Any = Field(description="latency, bandwidth, slow_close, timeout, reset_peer, slicer, limit_data or down")
    stream: Any = Field(default=None, description="downstream, towards the worker, or upstream; usually downstream")
    toxicity: Any = Field(default=None, description="share of connections that have it; usually 100%")
    latency: Any = Field(default=None, description="of latency: the delay")
    jitter: Any = Field(default=None, description="of latency: how far it may be off")
    rate: Any = Field(default=None, description="of bandwidth: the rate, such as 800kbit")
    delay: Any = Field(default=None, description="of slow_close and slicer: how long it waits")
    timeout: Any = Field(default=None, description="of timeout and reset_peer: how long it lets pass, or is silent")
    average_size: Any = Field(default=None, description="of slicer: average size of a piece")
    size_variation: Any = Field(default=None, description="of slicer: how far a size may be off")
    bytes: Any = Field(default=None, description="of limit_data: what each connection lets pass")

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        self.resolved()
        return self

    def resolved(self) -> resolved.Toxic:
        """The toxic itself. Raises `refusal` with the first thing that is wrong."""
        written = {key: getattr(self, key) for key in self.model_fields_set - {"service"}}
        try:
            document: Any = TypeAdapter(ToxicDocument).validate_python({"on": self.service, **written})
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            expected = first.get("ctx", {}).get("expected", first["msg"])
            raise refusal(f"{first['loc'][-1]}: {expected}") from error
        toxic: resolved.Toxic = document.resolved()
        return toxic

    def plan(self, scene: Scene, on: Sequence[str]) -> Plan:
        """Put on, and taken off."""
        toxic = json.dumps(asdict(self.resolved()))
        do, undo = (program("emulator.worlds.poisoning", str(scene.folder), way, toxic, *on) for way in ("on", "off"))
        return Plan((do,), (undo,), tuple(thing for site in on for thing in self.hold(site)))
