"""Whatever a file holds, an import ends well: it is kept, or listed with why."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from import_data import dicom, imported, nifti, pictures

KINDS = ("slice.dcm", "brain.nii", "brain.nii.gz", "some.zip", "train-images-idx3-ubyte.gz", "table.csv")


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """One sound file of each kind."""
    folder = tmp_path_factory.mktemp("sound")
    dicom(folder / "slice.dcm", 1, label="ad")
    for name in ("brain.nii", "brain.nii.gz"):
        nifti(folder / name, np.arange(24, dtype=np.int16).reshape(2, 3, 4))
    pictures(folder, bytes(3))
    with zipfile.ZipFile(folder / "some.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(folder / "slice.dcm", "a/slice.dcm")
        archive.write(folder / "brain.nii", "brain.nii")
    (folder / "table.csv").write_text("subject,dx,exam date\nP1.2.3,AD,2020-01-02\n")
    return {name: (folder / name).read_bytes() for name in (*KINDS, "train-labels-idx1-ubyte.gz")}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(KINDS),
    edits=st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=8)), max_size=5),
    cut=st.floats(0, 1) | st.just(1.0),
)
def test_no_damage_ends_an_import(
    sound: dict[str, bytes],
    tmp_path_factory: pytest.TempPathFactory,
    kind: str,
    edits: list[tuple[float, bytes]],
    cut: float,
) -> None:
    folder = tmp_path_factory.mktemp("d")
    content = bytearray(sound[kind][: round(cut * len(sound[kind]))])
    for where, what in edits:
        at = round(where * len(content))
        content[at : at + len(what)] = what
    data = folder / "data"
    data.mkdir()
    (data / kind).write_bytes(content)
    (data / "train-labels-idx1-ubyte.gz").write_bytes(sound["train-labels-idx1-ubyte.gz"])
    found = imported(data, folder / "cohort")
    assert found.cohort.instances or found.left_out or kind in ("table.csv", "some.zip")
    outside = [path for path in folder.iterdir() if path.name not in ("data", "cohort")]
    assert outside == []


def test_names_that_are_no_text_can_be_listed(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    odd = tmp_path / "data" / "caf\udce9.dcm"
    odd.write_bytes(b"no image")
    assert imported(tmp_path / "data", tmp_path / "cohort").left_out == 1
    assert "caf\\xe9.dcm" in (tmp_path / "cohort" / "left-out.csv").read_text()
