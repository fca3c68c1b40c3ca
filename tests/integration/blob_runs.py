"""Trainings over a world without PACS: the studies are drawn from numbers (`launch_blobs`)."""

import sys
from pathlib import Path

from loopback import blobs

from emulator.topology import Topology, dump
from emulator.worlds import World
from trainer.config import LaunchConfig, SitePlace
from trainer.record import Run


def trained(world: World, run: str, topology: Topology) -> Run:
    """The training of `topology`, which may differ from the world's in all that is no network; its record."""
    folder = world.folder.parents[1] / "runs" / run
    folder.mkdir(parents=True)
    (folder / "topology.json").write_text(dump(topology))
    sites = tuple(
        SitePlace(
            name=site.name, place=f"{site.name}/worker", endpoint=blobs(site.name, 12), cache_folder=folder / site.name
        )
        for site in topology.sites
    )
    config = LaunchConfig(
        run_folder=folder, world=world.name, topology_path=folder / "topology.json", sites=sites, seed=7,
        training=topology.training, cpu_slots=2, world_folder=world.folder,
    )  # fmt: skip
    (folder / "launch.json").write_text(config.model_dump_json())
    launcher = Path(__file__).with_name("launch_blobs.py")
    with (folder / "log").open("wb") as log:
        argv = [sys.executable, str(launcher), str(folder / "launch.json")]
        env = {"PYTHONPATH": str(Path(__file__).parents[2])}
        code = world.run("hub", argv, env=env, stdin=log, stdout=log, stderr=log).wait()
    assert code == 0, (folder / "log").read_text()
    return Run(folder)
