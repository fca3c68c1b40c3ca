"""What a topology has where neither it nor its `defaults` say anything: enough for a document of ten lines."""

from typing import Literal

from emulator.topology.document import ClassShares

HUB_LINK = "datacentre"
SITE_LINK = "chu-fibre"
PACS = "orthanc"
STUDIES = 30
CLASSES = ClassShares(control=0.4, mci=0.3, ad=0.3)
SCANNER = "3T"
STORAGE: Literal["single-frame", "multi-frame"] = "single-frame"
PER_SAMPLE_S = 0.03
QUEUE_S = 0.1
QUEUE_BYTES = 75_000
"""Fifty packets: what even slow modems hold. 100 ms of 1 Mbit/s are less than the first packets of one connection."""
TASK = "dementia"
ALGORITHM = "fedavg"
