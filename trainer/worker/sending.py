"""A site's part in training at the hub: its studies, pulled from its PACS and sent to the hub.

The site looks them through as it would if it trained on them: what can't be assembled, or is left out by curation,
stays where it is.
"""

from nodes.curation import Policy, curated
from nodes.errors import PullFailed
from nodes.fetched import Fetched
from nodes.pull import Client, Store
from nodes.pull.parcels import parcel
from trainer.clock.gate import Stage
from trainer.config import SitePlace
from trainer.messages import Order
from trainer.worker import pulls
from trainer.worker.hub_client import HubClient


class Sending:
    """What is pulled stays on the worker's disk until all of it is at the hub."""

    def __init__(self, place: SitePlace, curation: Policy | None, hub: HubClient, stage: Stage) -> None:
        self._place = place
        self._curation = curation
        self._store = Store(place.cache_folder / "sending")
        self._hub = hub
        self._stage = stage

    def send(self, order: Order) -> None:
        """All studies, from the PACS to the hub."""
        self._stage.skip("model")
        with self._stage.gate("pull") as passed:
            self._pull(passed.pulls)
        kept = [fetched.study for fetched in passed.pulls if fetched.fate == "kept"]
        with self._stage.gate("send"):
            for uid in kept:
                self._hub.study(uid, parcel(self._store.holding(uid)))
        for uid in kept:
            self._store.forget(uid)

    def _pull(self, came: list[Fetched]) -> None:
        """One study that can't be had keeps this site from sending, as it would keep it from training; so does having
        none to send. Raises PullFailed.
        """
        failures: list[PullFailed] = []
        with Client(self._place.endpoint, self._store) as client:
            for uid in client.studies():
                try:
                    came.append(self._looked_through(client, uid))
                except PullFailed as error:
                    failures.append(error)
                    came.append(pulls.failed(uid, error))
            pulls.pass_over(self._place.name, self._curation, client.odd, came, failures)
        pulls.prove(self._place.name, came, failures, sum(fetched.fate == "kept" for fetched in came))
        if not came:
            raise PullFailed(f"{self._place.name}: its PACS has no study")

    def _looked_through(self, client: Client, uid: str) -> Fetched:
        if self._curation is None:
            return client.study(uid)[1]
        fetched = curated(client, uid, self._curation)[1]
        if fetched.fate != "kept":
            client.forget(uid)
        return fetched
