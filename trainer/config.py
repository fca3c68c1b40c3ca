"""What a training is started with: one JSON file that the launcher reads."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from emulator.places import (
    CONTROL_PORT,
    HUB_ADDRESS,
    MODEL_PORT,
    STUDY_PORT,
    UPDATE_PORT,
    gateway_address,
    worker_address,
)
from emulator.topology.resolved import PlannedFault, Training
from nodes.endpoints import Endpoint
from trainer.errors import WrongInput

AT_HUB = "hub"
"""The worker there, where the hub trains: no site has that name."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SitePlace(_Strict):
    """One site: `place` is where its worker runs in the world (`lyon/worker`), or None for this machine's loopback.

    `endpoint` is how its PACS is reached. `cache_folder` is the worker's disk: studies on their way, prepared volumes,
    and its own model where the algorithm keeps models at home.
    """

    name: str
    place: str | None
    endpoint: Endpoint
    cache_folder: Path


class HubPlace(_Strict):
    """Where the hub listens: one address, one port a purpose, because the kernel tells purposes apart by port."""

    place: str | None = "hub"
    address: str = HUB_ADDRESS
    control_port: int = CONTROL_PORT
    model_port: int = MODEL_PORT
    update_port: int = UPDATE_PORT
    study_port: int = STUDY_PORT


class CentralPlace(_Strict):
    """The worker at the hub that trains on the studies of all sites. `held` are the studies of each site that lie in
    the warehouse, which answers at `warehouse`; all other sites send theirs. `cache_folder` is the hub's disk.
    """

    cache_folder: Path
    warehouse: Endpoint | None = None
    held: Mapping[str, tuple[str, ...]] = {}

    @property
    def arrived(self) -> Path:
        """Where the studies lie that sites have sent."""
        return self.cache_folder / "arrived"


class Used(_Strict):
    """An update that a recorded round put together: of which site and round, and how much of it counted."""

    site: str
    round: int
    share: float


class Scripted(_Strict):
    """One round as it was recorded: who trained for it or for a later one, and what was put together, in its order."""

    round: int
    train: tuple[str, ...]
    use: tuple[Used, ...]


class LaunchConfig(_Strict):
    """One training. `topology_path` holds the text of `emulator.topology.dump`; `training` has the overrides
    in it already.

    `cpu_slots` is how many workers may compute or pull at once; `ledger` says whether the kernel's counters
    are there to read, `world_folder` whose router and links each round is judged by (None outside a world). A site
    that owes an answer for `deadline_s` seconds is out of the round. `faults` are those of the topology and of its
    scenarios, and happen in the world. `central` is there where the hub trains. `replay_of` is the run that this one
    repeats, and `script`, where it is not empty, who has to take part in each round.
    """

    run_folder: Path
    world: str
    topology_path: Path
    sites: tuple[SitePlace, ...] = Field(min_length=1)
    hub: HubPlace = HubPlace()
    seed: int
    training: Training
    cpu_slots: int = Field(default=1, ge=1)
    resume: bool = False
    ledger: bool = True
    world_folder: Path | None = None
    deadline_s: float = Field(default=600.0, gt=0)
    faults: tuple[PlannedFault, ...] = ()
    central: CentralPlace | None = None
    replay_of: str | None = None
    script: tuple[Scripted, ...] = ()

    @property
    def working(self) -> tuple[SitePlace, ...]:
        """The sites that have a worker: all, but for those whose studies the hub trains on from its warehouse."""
        held = self.central.held if self.central else {}
        return tuple(place for place in self.sites if place.name not in held)


def read(path: Path) -> LaunchConfig:
    """The config in a file. Raises `WrongInput` naming every field that is wrong."""
    try:
        return LaunchConfig.model_validate_json(path.read_text())
    except OSError as error:
        raise WrongInput(f"{path}: can't be read: {error.strerror}") from error
    except ValidationError as error:
        problems = [f"{path}: {'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        raise WrongInput("\n".join(problems)) from error


def address_of(site: SitePlace, index: int) -> str:
    """The address that a site's requests are made from: the world's, or one of loopback's own /8."""
    if site.place is None:
        return f"127.{64 + (index >> 16)}.{index >> 8 & 255}.{index & 255}"
    return worker_address(index)


def central_address(config: LaunchConfig) -> str:
    """The address that the worker at the hub calls from."""
    return "127.64.0.0" if config.hub.place is None else config.hub.address


def addresses_of(site: SitePlace, index: int) -> tuple[str, ...]:
    """The addresses that a site's requests come from, which are its identity: the worker's own and, in a world, its
    gateway's, where a toxic may stand in between.
    """
    own = address_of(site, index)
    return (own,) if site.place is None else (own, gateway_address(index))
