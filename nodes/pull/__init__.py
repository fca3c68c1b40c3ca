"""Pulling studies from a PACS: to a store on disk, and from there to arrays."""

from nodes.fetched import Fetched
from nodes.pull.client import Client
from nodes.pull.patience import Patience
from nodes.pull.store import Store
from nodes.pull.studies import Study, Volume

__all__ = ["Client", "Fetched", "Patience", "Store", "Study", "Volume"]
