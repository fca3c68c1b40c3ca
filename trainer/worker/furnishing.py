"""What a worker trains on: the studies of its site's PACS, or at the hub those of all sites."""

from collections.abc import Callable
from functools import partial

from nodes.passwords import password
from trainer.config import CentralPlace, LaunchConfig, SitePlace
from trainer.held_out import split
from trainer.tasks.registry import Source, Task
from trainer.worker.pool import Arrived, Pool, Selected
from trainer.worker.shelf import Shelf
from trainer.worker.studies import Samples, Studies


def at_site(config: LaunchConfig, place: SitePlace, task: Task) -> Samples:
    """The studies of a site's own PACS."""
    folder, training = place.cache_folder, config.training
    shelf = Shelf(folder / task.view) if training.volume_cache else None
    secret = password(f"{place.name}/pseudonyms") if training.deidentify else ""  # another for each site, told nobody
    source = partial(task.source, place.endpoint, folder / "pulling", training.curation, secret)
    return _studies(config, place.name, source, shelf)


def at_hub(config: LaunchConfig, central: CentralPlace, task: Task) -> Samples:
    """Those of all sites: what the warehouse holds, and what they have sent. They stay on the hub's disk."""

    def kept(site: str, source: Callable[[], Source]) -> Studies:
        return _studies(config, site, source, Shelf(central.cache_folder / task.view / site))

    def sent(site: str, uids: tuple[str, ...]) -> Studies:
        return kept(site, partial(Arrived, central.arrived, site, uids, task.prepare))

    def held(site: str, uids: tuple[str, ...]) -> Studies:
        return kept(site, lambda: Selected(_warehouse(config, central, task, site), uids))

    return Pool({site: held(site, uids) for site, uids in central.held.items()}, central.arrived, sent)


def _warehouse(config: LaunchConfig, central: CentralPlace, task: Task, site: str) -> Source:
    if central.warehouse is None:
        raise ValueError(f"studies of {site} lie in a warehouse, and the config names none")
    return task.source(central.warehouse, central.cache_folder / "pulling" / site, config.training.curation, "")


def _studies(config: LaunchConfig, site: str, source: Callable[[], Source], shelf: Shelf | None) -> Studies:
    divide = partial(split, test_fraction=config.training.test_fraction, seed=config.seed, site=site)
    return Studies(site, source, shelf, divide, config.training.curation)
