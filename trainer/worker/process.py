"""A worker's process: takes orders from the hub, one after another, until the launcher ends it."""

import traceback

from emulator.errors import Fell
from nodes.passwords import password
from trainer import algorithms, tasks
from trainer.clock.gate import Stage
from trainer.config import LaunchConfig, SitePlace
from trainer.errors import TransferFailed
from trainer.messages import Order, Trouble
from trainer.worker.hub_client import HubClient
from trainer.worker.rounds import Rounds
from trainer.worker.studies import Studies

_WHY_CHARACTERS = 500


def run(config: LaunchConfig, place: SitePlace, source: str | None, stage: Stage) -> None:
    """Be the worker of one site for ever. `source` is the address to call from outside a world. Raises when
    the hub is gone.
    """
    hub = HubClient(config.hub, source, config.deadline_s)
    rounds = _rounds(config, place, hub, stage)
    done = 0
    while True:
        order = hub.next_order(done)
        done = order.number
        _obey(order, rounds, hub)


def _rounds(config: LaunchConfig, place: SitePlace, hub: HubClient, stage: Stage) -> Rounds:
    training = config.training
    task = tasks.get(training.task)
    secret = password(f"{place.name}/pseudonyms") if training.deidentify else ""  # another for each site, told nobody
    studies = Studies(task, place, training.volume_cache, training.curation, secret)
    return Rounds(config, place, task, algorithms.get(training.algorithm), studies, hub, stage)


def _obey(order: Order, rounds: Rounds, hub: HubClient) -> None:
    """Does what an order says; what goes wrong is told to the hub, which goes on without this site."""
    try:
        if order.kind == "train":
            rounds.train(order)
        else:
            rounds.evaluate(order)
    except Fell:
        raise  # the hub is gone, and the launcher ends this process
    except Exception as error:  # noqa: BLE001 - whatever it is, the round must name it instead of waiting for it
        traceback.print_exc()
        why = f"{type(error).__name__}: {error}"[:_WHY_CHARACTERS]
        try:
            hub.trouble(Trouble(round=order.round, why=why))
        except TransferFailed:
            traceback.print_exc()  # no way to the hub: its own deadline names this site
