"""Certificates, judged by Python's own TLS in memory: both ends of a connection, and no socket."""

import shutil
import ssl
import subprocess
from pathlib import Path

import pytest

from nodes.certificates import Authority, Pair, authority
from nodes.errors import CannotHere

ADDRESS = "10.0.3.2"


@pytest.fixture
def signing(tmp_path: Path) -> Authority:
    return authority(tmp_path / "certificates")


def shaken(trusted: Authority, server: Pair, called: str, client: Pair | None = None, asks: bool = False) -> None:
    """Shake hands; raises ssl.SSLError where one end refuses the other."""
    ours, theirs = ssl.create_default_context(cafile=trusted.certificate_path), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(server.certificate_path, server.key_path)
    theirs.load_verify_locations(cadata=trusted.certificate_pem)
    theirs.verify_mode = ssl.CERT_REQUIRED if asks else ssl.CERT_NONE
    if client:
        ours.load_cert_chain(client.certificate_path, client.key_path)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        ours.wrap_bio(to_client, to_server, server_hostname=called),
        theirs.wrap_bio(to_server, to_client, server_side=True),
    ]
    for _ in range(4):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue


@pytest.mark.parametrize("called", ["pacs.lyon", ADDRESS])
def test_a_server_is_trusted_by_its_name_and_by_its_address(signing: Authority, called: str) -> None:
    shaken(signing, signing.server("pacs.lyon", [ADDRESS]), called)


@pytest.mark.parametrize("called", ["pacs.nice", "10.0.4.2"])
def test_a_server_is_not_trusted_under_another_name(signing: Authority, called: str) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        shaken(signing, signing.server("pacs.lyon", [ADDRESS]), called)


def test_a_server_of_another_authority_is_not_trusted(signing: Authority, tmp_path: Path) -> None:
    stranger = authority(tmp_path / "other").server("pacs.lyon", [ADDRESS])
    with pytest.raises(ssl.SSLCertVerificationError):
        shaken(signing, stranger, ADDRESS)


def test_a_caller_with_a_certificate_is_let_in_and_one_without_is_not(signing: Authority) -> None:
    server = signing.server("pacs.lyon", [ADDRESS])
    shaken(signing, server, ADDRESS, signing.client("worker.lyon"), asks=True)
    with pytest.raises(ssl.SSLError, match="did not return a certificate"):
        shaken(signing, server, ADDRESS, asks=True)


def test_a_servers_certificate_does_not_pass_as_a_callers(signing: Authority) -> None:
    server = signing.server("pacs.lyon", [ADDRESS])
    with pytest.raises(ssl.SSLError, match="unsuitable certificate purpose"):
        shaken(signing, server, ADDRESS, server, asks=True)


def test_what_was_issued_once_is_found_again(signing: Authority, tmp_path: Path) -> None:
    again = authority(tmp_path / "certificates")
    assert again.certificate_pem == signing.certificate_pem
    assert again.server("pacs.lyon", [ADDRESS]) == signing.server("pacs.lyon", [ADDRESS])
    assert again.server("pacs.lyon", ["10.0.9.2"]) != signing.server("pacs.lyon", [ADDRESS])
    assert again.client("lyon") == signing.client("lyon")


def test_a_new_authority_issues_anew_what_an_older_one_had_signed(tmp_path: Path) -> None:
    folder = tmp_path / "certificates"
    first = authority(folder).server("pacs.lyon", [ADDRESS])
    for name in ("ca.pem", "ca.key"):
        (folder / name).unlink()
    second = authority(folder)
    assert second.server("pacs.lyon", [ADDRESS]) != first
    shaken(second, second.server("pacs.lyon", [ADDRESS]), ADDRESS)


def test_keys_are_for_their_owner_only(signing: Authority) -> None:
    pair = signing.client("lyon")
    assert pair.key_path.stat().st_mode & 0o077 == 0
    assert (pair.key_path.parent / "ca.key").stat().st_mode & 0o077 == 0


def test_a_damaged_authority_is_said_with_what_to_do(tmp_path: Path) -> None:
    folder = tmp_path / "certificates"
    authority(folder)
    (folder / "ca.pem").write_text("no certificate")
    with pytest.raises(CannotHere, match=r"ca\.pem holds no certificate.*delete"):
        authority(folder)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed here")
def test_openssl_accepts_the_chain(signing: Authority) -> None:
    pair = signing.server("pacs.lyon", [ADDRESS])
    argv = ["openssl", "verify", "-x509_strict", "-CAfile", str(signing.certificate_path), "-verify_ip", ADDRESS]
    done = subprocess.run([*argv, str(pair.certificate_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("lost", ["server-*.key", "server-*.pem", "ca.key"])
def test_half_a_pair_is_none_and_is_made_anew(tmp_path: Path, lost: str) -> None:
    folder = tmp_path / "certificates"
    authority(folder).server("pacs.lyon", [ADDRESS])
    next(folder.glob(lost)).unlink()
    again = authority(folder)
    shaken(again, again.server("pacs.lyon", [ADDRESS]), ADDRESS)


@pytest.mark.parametrize("kind", ["server-*", "ca"])
def test_a_key_that_is_not_its_certificates_is_made_anew(tmp_path: Path, kind: str) -> None:
    """As after a kill between the two, where an older certificate was there."""
    folder, other = tmp_path / "certificates", tmp_path / "other"
    for one in (folder, other):
        authority(one).server("pacs.lyon", [ADDRESS])
    key = next(folder.glob(f"{kind}.key"))
    key.write_bytes((other / key.name).read_bytes())
    again = authority(folder)
    shaken(again, again.server("pacs.lyon", [ADDRESS]), ADDRESS)


def test_a_folder_that_can_no_longer_be_written_is_told(tmp_path: Path) -> None:
    signing = authority(tmp_path / "certificates")
    shutil.rmtree(tmp_path / "certificates")
    with pytest.raises(CannotHere, match="cannot hold certificates"):
        signing.server("pacs.lyon", [ADDRESS])
