"""What a training is started with: a world, a topology's training and a seed become one file that the trainer reads."""

from dataclasses import replace
from pathlib import Path

from emulator.errors import WrongInput, WrongState
from emulator.topology import Site, Topology, Training, dump
from emulator.topology.resolved import PlannedFault
from emulator.worlds import World
from nodes import pacs, warehouse
from testbed import filling, probing, runs
from testbed.machine import processors
from trainer.config import CentralPlace, LaunchConfig, Scripted, SitePlace, read

LAUNCH = "launch.json"
WORKERS = "workers"
_ALONE = "fedavg"  # of one participant it is plain stochastic gradient descent


def composed(
    world: World,
    training: Training,
    seed: int,
    faults: tuple[PlannedFault, ...],
    replay_of: str | None = None,
    script: tuple[Scripted, ...] = (),
) -> Path:
    """Makes the folder of a new run, in which `faults` happen, and writes its launch file there; returns the file.
    Raises `WrongState` where the world can't train so.
    """
    if training.mode == "centralised":
        _prove_central(world)
        if training.deidentify:
            raise WrongInput(
                "training: deidentify and mode: centralised: sites would send files that still say whom they are of; "
                "give --set deidentify=false where they may, or mode=federated"
            )
        training = replace(training, algorithm=_ALONE)
    folder = runs.folder(runs.new_id())
    folder.mkdir(parents=True)
    topology = folder / "topology.json"
    topology.write_text(dump(replace(world.topology, training=training)))
    probing.hand_over(world, folder)
    config = LaunchConfig(
        run_folder=folder,
        world=world.name,
        topology_path=topology,
        sites=tuple(_place(site, folder) for site in world.topology.sites),
        seed=seed,
        training=training,
        cpu_slots=processors(),
        world_folder=world.folder,
        central=_central(world, folder) if training.mode == "centralised" else None,
        replay_of=replay_of,
        script=script,
        faults=faults,
    )
    return _written(config)


def _prove_central(world: World) -> None:
    """Sites may send their studies only where the topology says so: a command's option opens no port."""
    if world.topology.training.mode != "centralised":
        raise WrongState(
            f"sites of world '{world.name}' may not send studies to the hub; write training: {{mode: centralised}} "
            "into its topology, and run testbed up again: it opens their way to the hub, and changes nothing else"
        )


def _central(world: World, folder: Path) -> CentralPlace:
    """The worker at the hub. What lies in the hub's warehouse is not sent there again."""
    disk = folder / WORKERS / "hub"
    central = warehouse.warehouse(world.topology)
    if central is None or not central.parts:
        return CentralPlace(cache_folder=disk)
    held = filling.held(world, central)
    return CentralPlace(
        cache_folder=disk,
        warehouse=warehouse.endpoint(central),
        held={site.name: tuple(sorted(held[site.name])) for site in central.parts},
    )


def recomposed(world: World, run: str) -> Path:
    """Writes the launch file for going on with a run. Raises `WrongState` where the world is not what it ran on."""
    config = read(runs.folder(run) / "config.json")
    if config.training.mode == "centralised":
        _prove_central(world)
    if any(used.round != scripted.round for scripted in config.script for used in scripted.use):
        raise WrongState(
            f"run {run} is a strict replay with late updates, which it held; replay {config.replay_of} again"
        )
    ran_on = runs.opened(run).topology()
    if differ := differing(ran_on, world.topology):
        raise WrongState(
            f"run {run} can't go on over world '{world.name}': {differ} changed since; "
            "bring up the topology that it was started on"
        )
    places = {site.name: _place(site, config.run_folder) for site in world.topology.sites}
    now = {
        "resume": True,
        "world": world.name,
        "world_folder": world.folder,
        "sites": tuple(places[site.name] for site in config.sites),
        "central": _central(world, config.run_folder) if config.training.mode == "centralised" else None,
    }
    return _written(config.model_copy(update=now))


def _written(config: LaunchConfig) -> Path:
    path = config.run_folder / LAUNCH
    path.write_text(config.model_dump_json(indent=2))
    return path


def _place(site: Site, folder: Path) -> SitePlace:
    """A run's worker begins with an empty disk, so that two runs over one world cost the same."""
    return SitePlace(
        name=site.name,
        place=f"{site.name}/worker",
        endpoint=pacs.get(site.pacs.flavour).endpoint(site),
        cache_folder=folder / WORKERS / site.name,
    )


def differing(before: Topology, now: Topology) -> str:
    """What differs besides the training, which the run brings along."""
    parts = {
        "its seed": (before.seed, now.seed),
        "its hub": (before.hub, now.hub),
        "its sites": (before.sites, now.sites),
        "its regions": (before.regions, now.regions),
        "its traffic": (before.traffic, now.traffic),
    }
    return ", ".join(name for name, (old, new) in parts.items() if old != new)
