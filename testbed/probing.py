"""What the PACS of a world offer, asked as each site's worker sees them; and where the last answers are kept."""

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from emulator.topology import Site, Topology
from emulator.worlds import World
from emulator.writing import write_whole
from nodes.pacs import flavours
from nodes.probe import Capabilities, probe
from testbed import progress

KEPT = "pacs.json"
AT_ONCE = 25  # a probe mostly waits: more at once only make two processors late, and what they measure with them

Told = Callable[[int], None]


def probed(world: World, sites: Sequence[Site], told: Told = lambda done: None) -> dict[str, Capabilities]:
    """What each site's PACS offers, by the site's name; `told` hears how many are done."""
    found: dict[str, Capabilities] = {}
    with ThreadPoolExecutor(AT_ONCE) as hands:
        answers = hands.map(lambda site: _probed(world, site), sites)
        for done, (site, answer) in enumerate(zip(sites, answers, strict=True), 1):
            found[site.name] = answer
            told(done)
    return found


def _probed(world: World, site: Site) -> Capabilities:
    endpoint = flavours.get(site.pacs.flavour).endpoint(site)
    return probe(endpoint, partial(world.connect, f"{site.name}/worker"))


def told(world: World, found: Mapping[str, Capabilities]) -> dict[str, Any]:
    """The document of `pacs --json`. `pacs` is what the topology declares, `capabilities` what was found."""
    return {"world": world.name, "sites": [_site(site, found) for site in world.topology.sites if site.name in found]}


def _site(site: Site, found: Mapping[str, Capabilities]) -> dict[str, Any]:
    answer = found[site.name]
    return {"site": site.name, "pacs": asdict(site.pacs), "answers": answer.answers, "capabilities": asdict(answer)}


def keep(world: World, document: Mapping[str, Any]) -> None:
    """Keep answers of all sites with the world, until others come."""
    if len(document["sites"]) == len(world.topology.sites):
        write_whole(world.folder / KEPT, json.dumps(document, indent=1).encode())


def hand_over(world: World, run_folder: Path) -> None:
    """Put what a world's PACS offer into a run's folder; they are asked where that is not known yet."""
    if hand_on(world.folder, world.topology, run_folder):
        return
    sites = world.topology.sites
    with progress.shown() as report:
        found = probed(world, sites, lambda done: report(f"probing {len(sites)} PACS", done, len(sites)))
    keep(world, told(world, found))
    hand_on(world.folder, world.topology, run_folder)


def hand_on(world_folder: Path, topology: Topology, run_folder: Path) -> bool:
    """Put a world's kept answers into a run's folder; False where there are none of the PACS that it has now."""
    try:
        content = (world_folder / KEPT).read_bytes()
    except FileNotFoundError:
        return False
    before = [(one["site"], one["pacs"]) for one in json.loads(content)["sites"]]
    now = [(site.name, json.loads(json.dumps(asdict(site.pacs)))) for site in topology.sites]
    if before == now:
        write_whole(run_folder / KEPT, content)
    return before == now
