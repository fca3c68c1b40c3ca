"""Newer Orthancs beside the system's own: those of later suites of Debian, each in a root of its own."""

from nodes.pacs.flavours import register
from nodes.pacs.orthanc import Orthanc
from nodes.pacs.orthanc_release import Unpacked


@register("orthanc@trixie")
class OrthancTrixie(Orthanc):
    """Debian 13's: Orthanc 1.12.7, DICOMweb 1.20."""

    name = "orthanc@trixie"
    release = Unpacked("trixie")


@register("orthanc@sid")
class OrthancSid(Orthanc):
    """Debian unstable's: Orthanc 1.13 or what has followed it."""

    name = "orthanc@sid"
    release = Unpacked("sid")
