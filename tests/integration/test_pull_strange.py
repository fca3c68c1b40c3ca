"""The pull meets servers with habits of their own, and what is no DICOM at all."""

import base64
import contextlib
import datetime
import io
import re
import resource
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from archives import free_ports, orthanc, study, uid
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydicom.uid import JPEG2000Lossless, RLELossless
from strange_web import Habits, served

from nodes.deidentification.pulled import Pseudonyms
from nodes.endpoints import Endpoint, Login, Tls
from nodes.errors import CannotHere, PullFailed
from nodes.pull import Client, Patience, Store
from trainer.tasks.dementia import Pacs, Pseudonymous

pytestmark = pytest.mark.integration

SHORT = Patience(idle_s=0.5, pauses_s=(0.0, 0.0), busy_s=2.0)


def by_uid(files: list[bytes]) -> dict[tuple[str, str], bytes]:
    found = {}
    for data in files:
        dataset = pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True)
        found[str(dataset.SeriesInstanceUID), str(dataset.SOPInstanceUID)] = data
    return found


@pytest.fixture
def habits() -> Habits:
    return Habits({uid(number): by_uid(study(number)) for number in (1, 2)})


@contextlib.contextmanager
def client(habits: Habits, folder: Path, patience: Patience = SHORT, login: Login | None = None) -> Iterator[Client]:
    with served(habits) as root:
        endpoint = Endpoint("lyon", "127.0.0.1", root, None, login=login)
        with Client(endpoint, Store(folder), patience) as made:
            yield made


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize(
    ("change", "login"),
    [
        ({}, None),
        ({"page": 1}, None),
        ({"ignores_offset": True}, None),
        ({"accept": "transfer-syntax=1.2.840.10008.1.2.1"}, None),
        ({"accept": "type=application/dicom"}, None),
        ({"single": True, "whole": False}, None),
        ({"whole": False, "includefield": False, "page": 7}, None),
        ({"closed": 2}, None),
        ({"hangs_up": True}, None),
        ({"stops_after": 50_000}, None),
        ({"authorization": basic("reader", "secret")}, Login("reader", "secret")),
        ({"authorization": "Bearer abc"}, Login(token="abc")),  # noqa: S106 - a test's
    ],
)
def test_a_server_with_habits_of_its_own_gives_every_study(
    habits: Habits, tmp_path: Path, change: dict[str, object], login: Login | None
) -> None:
    with client(replace(habits, **change), tmp_path, login=login) as pulling:  # type: ignore[arg-type]
        assert pulling.studies() == sorted((uid(1), uid(2)))
        for number in (1, 2):
            volumes, fetched = pulling.study(uid(number))
            assert (fetched.way, fetched.instances, fetched.doubled) == ("wado-rs", 24, 0)
            assert volumes.volumes.keys() == {"MR", "PT"}


@pytest.mark.parametrize("storage", ["single-frame", "multi-frame"])
def test_a_server_that_gives_no_files_gives_frames_and_metadata_of_the_same_volumes(
    tmp_path: Path, storage: str
) -> None:
    files = Habits({uid(1): by_uid(study(1, storage))})
    with client(files, tmp_path / "files") as pulling:
        expected, _ = pulling.study(uid(1))
    with client(replace(files, files=False), tmp_path / "frames") as pulling:
        assert pulling.studies() == [uid(1)]
        found, fetched = pulling.study(uid(1))
    assert (fetched.way, fetched.instances) == ("wado-rs", len(files.studies[uid(1)]))
    assert "put together from their metadata and frames" in fetched.why
    assert (found.label, found.patient_id) == (expected.label, expected.patient_id)
    for modality, volume in expected.volumes.items():
        assert np.array_equal(found.volumes[modality].values, volume.values)
        assert np.array_equal(found.volumes[modality].affine, volume.affine)


def test_the_form_of_accept_that_a_server_takes_is_asked_for_only_once(habits: Habits, tmp_path: Path) -> None:
    habits.accept = "type=application/dicom"
    with client(habits, tmp_path) as pulling:
        pulling.pull(uid(1))
        before = len(habits.asked)
        pulling.pull(uid(2))
    assert sum("json" not in asked for asked in habits.asked[before:]) == 1


def told(pulling: Client, number: int) -> str:
    with pytest.raises(PullFailed) as failed:
        pulling.study(uid(number))
    assert f"lyon: study {uid(number)}" in str(failed.value)
    return str(failed.value)


def changed(data: bytes, change: Callable[[pydicom.Dataset], None]) -> bytes:
    dataset, buffer = pydicom.dcmread(io.BytesIO(data)), io.BytesIO()
    change(dataset)
    dataset.save_as(buffer)
    return buffer.getvalue()


def path_uid(dataset: pydicom.Dataset) -> None:
    with pydicom.config.disable_value_validation():
        dataset.SOPInstanceUID = "../../etc/passwd"


def huge(dataset: pydicom.Dataset) -> None:
    dataset.Rows = dataset.Columns = 65_535
    dataset.NumberOfFrames = 1000


def huge_and_compressed(dataset: pydicom.Dataset) -> None:
    dataset.compress(RLELossless, generate_instance_uid=False)
    huge(dataset)


def deep(data: bytes) -> bytes:
    """Sequences in sequences, ten thousand of them, where the pixels were."""
    place = data.index(b"\xe0\x7f\x10\x00OW")
    opening = b"\xe1\x7f\x01\x10SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    return data[:place] + 10_000 * opening


def deflated_bomb(data: bytes) -> bytes:
    head = 144 + int.from_bytes(data[140:144], "little")
    syntax = b"1.2.840.10008.1.2.1\0"
    at = data.index(syntax)
    meta = data[: at - 2] + len(syntax + b"99").to_bytes(2, "little") + b"1.2.840.10008.1.2.1.99" + data[at + 20 : head]
    meta = meta[:140] + (len(meta) - 144).to_bytes(4, "little") + meta[144:]
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = packer.compress(data[head:]) + packer.flush(zlib.Z_FULL_FLUSH)
    zeros = packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)
    again = packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return meta + body + zeros + again * 300


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda data: b"%PDF-1.7 nothing of the kind", "are not DICOM"),
        (lambda data: data[:400], "are not DICOM|without"),
        (lambda data: data[:-3000], "without an image that can be placed"),
        (lambda data: changed(data, path_uid), "a UID is digits and dots"),
        (lambda data: changed(data, huge), "it declares 1000 frames of 65535 × 65535 pixels"),
        (lambda data: changed(data, huge_and_compressed), "it declares 1000 frames"),
        (deep, "without an image"),
        (deflated_bomb, "bytes that inflate to more than 64 MiB"),
    ],
)
def test_one_file_that_is_no_image_is_named_and_the_rest_goes_on(
    habits: Habits, tmp_path: Path, spoil: Callable[[bytes], bytes], said: str
) -> None:
    files = habits.studies[uid(1)]
    key = list(files)[5]
    files[key] = spoil(files[key])
    with client(habits, tmp_path) as pulling:
        message = told(pulling, 1)

        assert key[1] in message
        assert re.search(said, message), message
        assert pulling.study(uid(2))[1].instances == 24
        assert len(Store(tmp_path).holding(uid(1))) >= 23
    assert not list(tmp_path.rglob("passwd"))
    assert not any((above / "etc").exists() for above in tmp_path.parents[:2])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"html": True}, "text/html"),
        ({"boundary": "other"}, "closing boundary is missing"),
        ({"silent": True}, "silent for too long"),
        ({"closed": 1000, "retry_after": "1"}, "answered 503 .*closed for the night; waited 2 s"),
        ({"authorization": "Bearer other"}, "answered 401"),
    ],
)
def test_a_server_that_is_none_is_told_with_site_and_study(
    habits: Habits, tmp_path: Path, change: dict[str, object], said: str
) -> None:
    with client(replace(habits, **change), tmp_path) as pulling:  # type: ignore[arg-type]
        assert re.search(said, told(pulling, 1))


def test_a_pacs_that_is_not_there_is_told_with_its_site(tmp_path: Path) -> None:
    nowhere = Endpoint("lyon", "127.0.0.1", f"http://127.0.0.1:{free_ports(1)[0]}/dicom-web/", None)
    with Client(nowhere, Store(tmp_path), SHORT) as pulling, pytest.raises(PullFailed, match=r"^lyon: .*Refused"):
        pulling.studies()


def test_compressed_slices_give_the_same_volume_to_the_bit(habits: Habits, tmp_path: Path) -> None:
    files = habits.studies[uid(2)]
    with client(habits, tmp_path) as pulling:
        plain, _ = pulling.study(uid(2))
        pulling.forget(uid(2))
        for number, key in enumerate(files):
            syntax = (RLELossless, JPEG2000Lossless)[number % 2]
            files[key] = changed(
                files[key], lambda dataset, to=syntax: dataset.compress(to, generate_instance_uid=False)
            )
        packed, _ = pulling.study(uid(2))
    for modality, volume in plain.volumes.items():
        assert (volume.values == packed.volumes[modality].values).all()


def certificate(folder: Path, name: str) -> Tls:
    """A self-signed certificate for a name."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    pem, secret = folder / f"{name}.pem", folder / f"{name}.key"
    pem.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return Tls(str(pem), str(pem), str(secret))


@pytest.mark.parametrize(("name", "works"), [("localhost", True), ("pacs.elsewhere", False)])
def test_a_certificate_of_another_name_is_not_accepted(habits: Habits, tmp_path: Path, name: str, works: bool) -> None:
    tls = certificate(tmp_path, name)
    with served(habits, tls.certificate, tls.key) as root:
        endpoint = Endpoint(
            "lyon", "localhost", root.replace("127.0.0.1", "localhost"), None, web_tls=Tls(tls.authority)
        )
        with Client(endpoint, Store(tmp_path / "store"), SHORT) as pulling:
            if works:
                assert pulling.pull(uid(1))[1].instances == 24
            else:
                assert "its certificate is not accepted: Hostname mismatch" in told(pulling, 1)


def test_an_archive_that_speaks_dicom_over_tls_both_ways_gives_its_studies(tmp_path: Path) -> None:
    theirs, ours = certificate(tmp_path, "localhost"), certificate(tmp_path, "worker")
    settings = {
        "DicomTlsEnabled": True,
        "DicomTlsCertificate": theirs.certificate,
        "DicomTlsPrivateKey": theirs.key,
        "DicomTlsTrustedCertificates": ours.certificate,
    }
    with orthanc(tmp_path / "orthanc", study(1), free_ports(1)[0], **settings) as plain:
        mutual = replace(plain, host="localhost", dicomweb=None, dimse_tls=replace(ours, authority=theirs.authority))
        with Client(mutual, Store(tmp_path / "store")) as pulling:
            assert pulling.studies() == [uid(1)]
            _, fetched = pulling.pull(uid(1))
        assert (fetched.way, fetched.instances) == ("c-get", 24)
        doubting = Client(replace(mutual, dimse_tls=ours), Store(tmp_path / "other"), SHORT)
        with doubting, pytest.raises(PullFailed, match="its certificate is not accepted"):
            doubting.studies()


def test_what_a_pacs_that_tells_no_counts_leaves_out_is_asked_for(habits: Habits, tmp_path: Path) -> None:
    """Nobody has said how many there are, so that only the list can tell that some did not come."""
    habits.short = 3
    with client(habits, tmp_path) as pulling:
        holding, fetched = pulling.pull(uid(1))
    assert (len(holding), fetched.doubled) == (24, 0)


def test_one_bad_uid_in_a_list_does_not_take_the_other_studies_with_it(habits: Habits, tmp_path: Path) -> None:
    habits.studies["../../etc"] = habits.studies[uid(2)]
    with client(habits, tmp_path) as pulling:
        assert pulling.studies() == sorted((uid(1), uid(2)))
        assert ["'../../etc'" in one for one in pulling.odd] == [True]


def test_one_bad_uid_in_a_study_does_not_take_its_other_instances_with_it(habits: Habits, tmp_path: Path) -> None:
    habits.whole = False  # so that it is the list that says what there is
    habits.studies[uid(1)]["1.2", "no uid"] = b""
    with client(habits, tmp_path) as pulling:
        holding, fetched = pulling.pull(uid(1))
    assert len(holding) == 24
    assert "'no uid'" in fetched.why


def test_a_list_with_nothing_but_bad_uids_is_no_empty_list(habits: Habits, tmp_path: Path) -> None:
    habits.studies = {"../../etc": habits.studies[uid(2)]}
    with client(habits, tmp_path) as pulling, pytest.raises(PullFailed, match="etc"):
        pulling.studies()


def test_trouble_with_our_own_disk_is_told_as_such_and_not_tried_again(habits: Habits, tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with client(habits, tmp_path) as pulling:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))  # no file may grow beyond: EFBIG
        try:
            with pytest.raises(CannotHere, match="the worker's own disk fails"):
                pulling.pull(uid(1))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert len(habits.asked) == 1


def test_a_pull_that_is_deidentified_gives_the_same_samples_and_tells_nothing_but_new_uids(
    habits: Habits, tmp_path: Path
) -> None:
    habits.short = 3  # so that something of it has to be asked for by name
    del habits.studies[uid(2)][[*habits.studies[uid(2)]][5]]  # and something fails
    with served(habits) as root:
        endpoint = Endpoint("lyon", "127.0.0.1", root, None)
        with Pacs(endpoint, tmp_path / "plain", None) as plain:
            plain.studies()
            expected, _ = plain.fetch(uid(1))
        with Pseudonymous(endpoint, tmp_path / "new", None, "a secret of this test") as renamed:
            studies = renamed.studies()
            names = Pseudonyms(b"a secret of this test")
            assert studies == sorted(names.uid(uid(number)) for number in (1, 2))
            sample, fetched = renamed.fetch(names.uid(uid(1)))
            with pytest.raises(PullFailed, match=names.uid(uid(2))) as failed:
                renamed.fetch(names.uid(uid(2)))
    assert expected is not None
    assert sample is not None
    assert (sample.label, fetched.study) == (expected.label, names.uid(uid(1)))
    np.testing.assert_array_equal(sample.values, expected.values)
    assert failed.value.fetched is not None
    told = f"{fetched} {failed.value} {failed.value.fetched}"
    assert [old for old in (uid(1), uid(2), *(one for _, one in habits.studies[uid(2)])) if old in told] == []
