"""Cohorts: the studies of each site, made once, kept in a PACS's own storage, and given to every world as a lower
layer."""

from nodes.cohorts.bakery import bake, lacking, storages, verify
from nodes.cohorts.keys import key_of

__all__ = ["bake", "key_of", "lacking", "storages", "verify"]
