"""`link-degrade`: the link is worse than it was."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import ClassVar, Self

from pydantic import model_validator

from emulator.faults.fault import Fault, Plan, Scene
from emulator.faults.process import program
from emulator.faults.registry import register
from emulator.topology.fields import refusal
from emulator.topology.links import ChangeDocument
from emulator.topology.resolving import change


@register("link-degrade")
class LinkDegrade(Fault, ChangeDocument):
    """The access link has other values, over the topology's, those of its schedule and those set by hand; what is not
    told stays as it is. Nothing that waits in its queues is lost by the change.
    """

    takes: ClassVar[str | None] = "the link's values"
    of_network: ClassVar[bool] = True

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if not self.model_fields_set:
            raise refusal("at least one value of the link, such as 'loss: 5%' or 'rtt: 300ms'")
        return self

    def plan(self, scene: Scene, on: Sequence[str]) -> Plan:
        """The router is told, and told again at the end."""
        both = [asdict(change(self, "down")), asdict(change(self, "up"))]
        laid, lifted = (
            program("emulator.worlds.degrading", str(scene.folder), scene.id, json.dumps(changes))
            for changes in (dict.fromkeys(on, both), {})
        )
        return Plan((laid,), (lifted,), tuple(thing for site in on for thing in self.hold(site)))
