"""A worker's process: takes orders from the hub, one after another, until the launcher ends it."""

import traceback
from collections.abc import Callable, Mapping

from emulator.errors import Fell
from trainer import algorithms, seeds, tasks
from trainer.clock.gate import Stage, TurnedAway
from trainer.config import AT_HUB, CentralPlace, LaunchConfig, SitePlace, central_address
from trainer.errors import TransferFailed
from trainer.messages import Order, OrderKind, Trouble
from trainer.worker.furnishing import at_hub, at_site
from trainer.worker.hub_client import HubClient
from trainer.worker.rounds import Rounds
from trainer.worker.sending import Sending

_WHY_CHARACTERS = 500
Parts = Mapping[OrderKind, Callable[[Order], None]]


def run(config: LaunchConfig, place: SitePlace, source: str | None, stage: Stage) -> None:
    """Be the worker of one site for ever. `source` is the address to call from outside a world. Raises when
    the hub is gone.
    """
    hub = _hub(config, place.name, source)
    if config.central:
        _serve(hub, {"send": Sending(place, config.training.curation, hub, stage).send})
        return
    training = config.training
    task, algorithm = tasks.get(training.task), algorithms.get(training.algorithm)
    studies = at_site(config, place, task)
    rounds = Rounds(config, place.name, place.cache_folder, task, algorithm, studies, hub, stage)
    _serve(hub, {"train": rounds.train, "evaluate": rounds.evaluate})


def run_at_hub(config: LaunchConfig, central: CentralPlace, stage: Stage) -> None:
    """Be the worker at the hub, which trains on the studies of all sites; likewise."""
    source = central_address(config) if config.hub.place is None else None
    hub = _hub(config, AT_HUB, source)
    task, algorithm = tasks.get(config.training.task), algorithms.get(config.training.algorithm)
    rounds = Rounds(config, AT_HUB, central.cache_folder, task, algorithm, at_hub(config, central, task), hub, stage)
    _serve(hub, {"train": rounds.train, "evaluate": rounds.evaluate})


def _hub(config: LaunchConfig, site: str, source: str | None) -> HubClient:
    return HubClient(config.hub, source, config.deadline_s, seeds.generator(config.seed, f"{site}/back-off"))


def _serve(hub: HubClient, parts: Parts) -> None:
    done = 0
    while True:
        order = hub.next_order(done)
        done = order.number
        _obey(order, parts, hub)


def _obey(order: Order, parts: Parts, hub: HubClient) -> None:
    """Does what an order says; what goes wrong is told to the hub, which goes on without this site."""
    try:
        parts[order.kind](order)
    except TurnedAway:
        return  # it was too late; the next order comes
    except Fell:
        raise  # the hub is gone, and the launcher ends this process
    except Exception as error:  # noqa: BLE001 - whatever it is, the round must name it instead of waiting for it
        traceback.print_exc()
        why = f"{type(error).__name__}: {error}"[:_WHY_CHARACTERS]
        try:
            hub.trouble(Trouble(round=order.round, why=why))
        except TransferFailed:
            traceback.print_exc()  # no way to the hub: its own deadline names this site
