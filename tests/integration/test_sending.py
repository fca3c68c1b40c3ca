"""What a site pulls to send it to the hub is told as what it pulls to train on it, study by study."""

import io
import socket
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage
from strange_web import Habits, served

from emulator.topology.resolved import Curation
from nodes.endpoints import Endpoint
from nodes.errors import PullFailed
from nodes.fetched import Fetched
from trainer.clock.gate import Stage
from trainer.config import HubPlace, SitePlace
from trainer.messages import Failed, Order
from trainer.worker.hub_client import HubClient
from trainer.worker.sending import Sending

pytestmark = pytest.mark.integration

NO_DICOM = {("1.3", "1.4"): b"no DICOM at all"}
Studies = dict[str, dict[tuple[str, str], bytes]]
Refused = Callable[[Studies, Curation | None], tuple[str, list[Fetched]]]


@pytest.fixture
def refused(tmp_path: Path) -> Refused:
    """Lets a site send the studies of its PACS; why it can't, and what the hub's clock is told of them."""

    def refuse(studies: Studies, curation: Curation | None) -> tuple[str, list[Fetched]]:
        hub, worker = socket.socketpair()
        with hub, worker, served(Habits(studies)) as root:
            endpoint = Endpoint("lyon", "127.0.0.1", root, None)
            place = SitePlace(name="lyon", place=None, endpoint=endpoint, cache_folder=tmp_path)
            nobody = HubClient(HubPlace(address="127.0.0.1"), None, 1.0, np.random.default_rng(0))
            hub.sendall(b"go\n")
            with pytest.raises(PullFailed) as error:
                Sending(place, curation, nobody, Stage(worker)).send(Order(number=1, kind="send", round=1, model=None))
            worker.shutdown(socket.SHUT_RDWR)
            last = hub.makefile().read().splitlines()[-1]
        return str(error.value), Failed.model_validate_json(last).pulls if '"pulls"' in last else []

    return refuse


@pytest.mark.parametrize("curation", [None, "stop", "drop"])
def test_studies_that_fail_are_told_one_by_one(refused: Refused, curation: Curation | None) -> None:
    why, told = refused({"1.1": NO_DICOM, "1.2": NO_DICOM}, curation)
    assert ("study 1.1" in why, "(and 1 more studies)" in why) == (True, True)
    assert [(one.study, one.fate) for one in told] == [("1.1", "failed"), ("1.2", "failed")]
    assert told[0].remark in why


@pytest.mark.parametrize(("curation", "fate"), [(None, "failed"), ("keep", "dropped"), ("drop", "dropped")])
def test_a_study_that_nobody_can_ask_for_is_told_too(refused: Refused, curation: Curation | None, fate: str) -> None:
    _, told = refused({"../x": NO_DICOM, "1.1": NO_DICOM}, curation)
    assert [(one.study, one.fate) for one in told] == [("1.1", "failed"), ("", fate)]
    assert "'../x'" in told[1].remark


def test_a_site_that_has_nothing_to_send_says_so(refused: Refused) -> None:
    why, told = refused({"1.9": {("1.8", "1.7"): no_image()}}, "drop")
    assert why.startswith("lyon: curation dropped all 1 studies; the first: ")
    assert [(one.study, one.fate, one.instances) for one in told] == [("1.9", "dropped", 1)]
    assert refused({}, None) == ("lyon: its PACS has no study", [])


def no_image() -> bytes:
    """An instance that no volume can be made of."""
    dataset, written = Dataset(), io.BytesIO()
    dataset.SOPClassUID, dataset.SOPInstanceUID = MRImageStorage, "1.7"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.9", "1.8"
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dcmwrite(written, dataset, enforce_file_format=True)
    return written.getvalue()
