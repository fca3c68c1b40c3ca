"""Studies that sites send to the hub, which trains on them itself: a store a site, on the hub's disk."""

import json
from collections.abc import Callable
from pathlib import Path

from emulator.writing import write_whole
from nodes.errors import Unreadable
from nodes.pull.parcels import Delivery
from trainer.arrived import listed, store_of
from trainer.errors import UpdateRefused


class Arrivals:
    """What has come; it outlives this process. `heard` is told of each site of which something has."""

    def __init__(self, folder: Path, heard: Callable[[str], None]) -> None:
        self._folder = folder
        self._heard = heard
        self._whole: dict[str, set[str]] = {}

    @property
    def here(self) -> frozenset[str]:
        """Sites whose studies are all here."""
        return frozenset(listed(self._folder))

    def arrived(self, site: str, study: str, name: str) -> int:
        """How many bytes of a parcel are here."""
        return self._delivery(site, study, name).arrived()

    def append(self, site: str, study: str, name: str, chunk: bytes) -> None:
        """Keeps the next bytes of a parcel."""
        with self._delivery(site, study, name).open().open("ab") as file:
            file.write(chunk)
        self._heard(site)

    def settle(self, site: str, study: str, name: str) -> None:
        """A parcel is here as a whole. Raises `UpdateRefused` where it is not what it was said to be."""
        delivery = self._delivery(site, study, name)
        try:
            if not delivery.settled:
                delivery.settle()
        except Unreadable as error:
            raise UpdateRefused(str(error)) from error
        self._whole.setdefault(site, set()).add(study)

    def close(self, site: str) -> None:
        """A site has sent all that it has."""
        studies = sorted(self._whole.get(site, ()))
        write_whole(self._folder / f"{site}.json", json.dumps(studies).encode())

    def _delivery(self, site: str, study: str, name: str) -> Delivery:
        return Delivery(store_of(self._folder, site), study, name)
