"""PACS flavours: which server answers at a site, how it is configured, filled, started and asked."""

from nodes.pacs import dcmjs_dimse as _dcmjs_dimse  # noqa: F401 - registers itself
from nodes.pacs import dcmqrscp as _dcmqrscp  # noqa: F401 - registers itself
from nodes.pacs import orthanc as _orthanc  # noqa: F401 - registers itself
from nodes.pacs import orthanc_generations as _orthanc_generations  # noqa: F401 - registers itself
from nodes.pacs import pynetdicom_qrscp as _pynetdicom_qrscp  # noqa: F401 - registers itself
from nodes.pacs import tiny_pacs as _tiny_pacs  # noqa: F401 - registers itself
from nodes.pacs.flavours import Filler, PacsAnswer, PacsFlavour, Reach, get, names, register

__all__ = ["Filler", "PacsAnswer", "PacsFlavour", "Reach", "get", "names", "register"]
