"""What a site's archive is said to write is what its PACS keeps: Orthanc, on a loopback port."""

import hashlib
import io
import socket
from pathlib import Path

import httpx
import numpy as np
import pydicom
import pytest

from emulator.topology.resolved import Cohort, Compute, Direction, Link, Pacs, Site
from nodes import cohorts, pacs
from nodes.cohorts import scanners
from nodes.cohorts.defects import truth
from nodes.curation import curate
from nodes.defects.spoiling import names
from nodes.dicom.archive import packed, study_files
from nodes.dicom.dialects import spoken
from nodes.dicom.study import Context
from nodes.dicom.syntaxes import SYNTAXES
from nodes.endpoints import Endpoint
from nodes.pacs.habits import Writes
from nodes.phantoms.studio import Studio
from nodes.phantoms.subjects import draw
from nodes.pull import Client, Store
from nodes.pull.studies import Assembly

pytestmark = pytest.mark.integration

DIALECTS = [
    *(Writes.model_validate({"syntax": syntax}) for syntax in SYNTAXES),
    Writes(charset="ISO 2022 IR 87"),
    Writes(charset="ISO_IR 192"),
    Writes(private=True),
    Writes(missing_type2=True),
    Writes(wrong_vr=True),
]


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
    return port


@pytest.fixture(scope="module")
def slices() -> list[bytes]:
    subject = draw(1, "ad", np.random.SeedSequence((7, 1)))
    pictures = Studio().pictures(subject, "1.5T", ("mr",), np.random.SeedSequence(5))
    return study_files(Context("lyon", 7, scanners.get("1.5T")), subject, pictures, "single-frame")


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_orthanc_keeps_every_dialect_to_the_byte_and_the_pull_reads_them_as_one_volume(
    slices: list[bytes], tmp_path: Path
) -> None:
    written = [spoken([file], writes)[0] for file, writes in zip(slices, DIALECTS, strict=False)]
    twice = spoken([slices[len(DIALECTS)]], Writes(doubled_uids=True))
    port, storage = free_port(), tmp_path / "storage"
    storage.mkdir()
    with pacs.get("orthanc").fill(storage, port, Pacs("p", "orthanc")) as server:
        server.put(packed(written + twice))
        assert server.count().instances == len(DIALECTS) + 1
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as orthanc:
            names = orthanc.get("/instances").json()
            kept = {digest(orthanc.get(f"/instances/{name}/file").content) for name in names}
        here = Endpoint("lyon", "127.0.0.1", f"http://127.0.0.1:{port}/dicom-web/", dimse_port=None)
        with Client(here, Store(tmp_path / "store")) as client:
            (uid,) = client.studies()
            study, _ = client.study(uid)
    assert kept == {digest(file) for file in [*written, twice[0]]}  # of two under one UID, the first
    plain = Assembly()
    for file in slices[: len(DIALECTS) + 1]:
        plain.add(file)
    np.testing.assert_array_equal(study.volumes["MR"].values, plain.study(uid).volumes["MR"].values)


def baked(storage: Path) -> dict[str, list[bytes]]:
    """The DICOM files in Orthanc's storage, by study."""
    found: dict[str, list[bytes]] = {}
    for path in storage.rglob("*-*"):
        content = path.read_bytes() if path.is_file() else b""
        if content[128:132] == b"DICM":
            header = pydicom.dcmread(io.BytesIO(content), stop_before_pixels=True)
            found.setdefault(str(header.StudyInstanceUID), []).append(content)
    return found


def test_a_dirty_cohort_is_baked_with_the_defects_of_its_truth(tmp_path: Path) -> None:
    spoilt = dict.fromkeys(names(), 1)
    cohort = Cohort("phantom", 11, {"control": 6, "ad": 5}, "1.5T", ("pet",), "multi-frame", spoilt)
    direction = Direction(rate_bps=10**9, delay_s=0.001)
    profile = Pacs("p", "orthanc", {"writes": {"syntax": "jpeg-ls", "missing_type2": True}})
    link = Link("fibre", direction, direction)
    site = Site(1, "nice", "nice", "namespace", link, profile, cohort, Compute(0.03))
    storage = cohorts.bake([site], 7, tmp_path, lambda what, done, total: None)["nice"]
    studies = baked(storage)
    assert len(studies) == 11
    assert all("StudyTime" not in pydicom.dcmread(io.BytesIO(files[0])) for files in studies.values())
    told = {(study, kind) for study, files in studies.items() for kind in curate(files).kinds}
    assert told == {(defect.study, defect.kind) for defect in truth(site, 7)}
