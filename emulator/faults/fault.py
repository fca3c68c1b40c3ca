"""What every kind of fault has: settings, where it may happen, and a plan."""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from emulator.errors import CannotHere, WrongInput
from emulator.places import Service
from emulator.topology.fields import Measured
from emulator.topology.forms import Form
from emulator.topology.resolved import Site, Topology
from emulator.topology.units import DURATION, SHARE

HUB = "hub"
Where = Literal["site", "hub"]
Request = dict[str, Any]
Slice = Annotated[float, Measured(replace(SHARE, example="10%"), "1%", "99%")]
Pause = Annotated[float, Measured(replace(DURATION, example="2s"), "100ms", "60min")]


@dataclass(frozen=True)
class Scene:
    """The world that a fault `id` is planned for."""

    id: str
    folder: Path
    topology: Topology
    services: tuple[Service, ...]

    @property
    def tag(self) -> str:
        """The fault's id as programs take a name."""
        return self.id.replace("-", "_")

    def index(self, target: str) -> int:
        """The number of a site, or of the hub."""
        return 0 if target == HUB else self.site(target).index

    def site(self, name: str) -> Site:
        """The site of that name, which is there."""
        return next(site for site in self.topology.sites if site.name == name)

    def pacs(self, name: str) -> Service:
        """The archive itself of a site. Raises `CannotHere` where it is no process of this machine."""
        if self.site(name).machine != "namespace":
            raise CannotHere(f"site '{name}': its PACS runs on a machine of kind '{self.site(name).machine}'")
        found = [service for service in self.services if service.name == f"{name}/pacs"]
        if not found:
            raise WrongInput(f"site '{name}' has no PACS in this world")
        return found[0]


@dataclass(frozen=True)
class Plan:
    """Requests of the world's agent: what makes the fault, what undoes it; and what it takes hold of alone.

    `undo` is right also where only a part of `do` was done, and a second time. With `beat_s` the fault comes and goes:
    so long it is in force, so long not.
    """

    do: tuple[Request, ...]
    undo: tuple[Request, ...] = ()
    holds: tuple[str, ...] = ()
    beat_s: tuple[float, float] | None = field(default=None, kw_only=True)

    @classmethod
    def joined(cls, plans: "Sequence[Plan]") -> "Plan":
        """Several as one, begun in their order and undone in the opposite one."""
        return cls(
            tuple(step for plan in plans for step in plan.do),
            tuple(step for plan in reversed(plans) for step in plan.undo),
            tuple(thing for plan in plans for thing in plan.holds),
            beat_s=plans[0].beat_s,
        )


class Fault(Form):
    """One kind of fault, with its settings as fields; its docstring is what a person reads of it.

    `where` are the targets that it can be at, `lasts` whether it has an end, `takes` what it takes hold of at each of
    them: two faults that take the same there contradict each other. `of_network`: it is felt by what crosses the WAN
    only. `joint`: at several targets it is one thing, not one at each.
    """

    where: ClassVar[tuple[Where, ...]] = ("site",)
    lasts: ClassVar[bool] = True
    takes: ClassVar[str | None] = None
    of_network: ClassVar[bool] = False
    joint: ClassVar[bool] = False

    @classmethod
    def described(cls) -> dict[str, Any]:
        """What a person reads of the kind and of its settings."""
        settings = {
            key: {"what": field.description or "", "needed": field.is_required()}
            for key, field in cls.model_fields.items()
        }
        return {
            "what": inspect.cleandoc(cls.__doc__ or ""),
            "where": cls.where,
            "lasts": cls.lasts,
            "settings": settings,
        }

    def plan(self, scene: Scene, on: Sequence[str]) -> Plan:
        """What it is at all of its targets. Raises `CannotHere`, `WrongInput`."""
        return Plan.joined([self.at(scene, target, number) for number, target in enumerate(on)])

    def at(self, scene: Scene, target: str, number: int) -> Plan:
        """What it is at one target, the `number`th of its own."""
        raise NotImplementedError

    def hold(self, target: str) -> tuple[str, ...]:
        """What it takes hold of at a target."""
        return (f"{self.takes} of {target}",) if self.takes else ()
