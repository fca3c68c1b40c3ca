"""Pulling studies from a PACS, as arrays."""

from nodes.pull.dicomweb import DicomWeb, Payload
from nodes.pull.studies import Study, Volume

__all__ = ["DicomWeb", "Payload", "Study", "Volume"]
