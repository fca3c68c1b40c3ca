"""Certificates of the hospitals: one authority a folder, and what it has signed, kept beside it.

A certificate is issued once and read again ever after, so that a world that is told to come up a second time finds its
servers unchanged. Deleting the folder makes new ones.
"""

import datetime
import fcntl
import hashlib
import ipaddress
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from emulator.errors import CannotHere
from emulator.worlds.home import home
from emulator.writing import write_whole

_VALID = datetime.timedelta(days=3650)
_SPARE = datetime.timedelta(days=30)
_SKEW = datetime.timedelta(days=1)  # a PACS whose clock is slow takes it too


@dataclass(frozen=True)
class Pair:
    """A certificate and its private key: as PEM text, and in which files of this machine they are kept."""

    certificate_pem: str
    key_pem: str
    certificate_path: Path
    key_path: Path


class Authority:
    """Signs the certificates of servers and of those who call them."""

    def __init__(self, folder: Path, own: Pair) -> None:
        self._folder = folder
        self._own = own

    @property
    def certificate_pem(self) -> str:
        """Whoever trusts it trusts all that it has signed."""
        return self._own.certificate_pem

    @property
    def certificate_path(self) -> Path:
        """The same as a file."""
        return self._own.certificate_path

    def server(self, name: str, addresses: Sequence[str]) -> Pair:
        """The certificate of a server that is called by `name` or by one of its IP addresses."""
        names = [x509.DNSName(name), *(x509.IPAddress(ipaddress.ip_address(address)) for address in addresses)]
        return self._issued(f"server-{_told(name, addresses)}", name, ExtendedKeyUsageOID.SERVER_AUTH, names)

    def client(self, name: str) -> Pair:
        """The certificate by which a caller shows that it is `name`."""
        names = [x509.DNSName(name)]
        return self._issued(f"client-{_told(name, ())}", name, ExtendedKeyUsageOID.CLIENT_AUTH, names)

    def _issued(self, file: str, name: str, purpose: x509.ObjectIdentifier, names: Sequence[x509.GeneralName]) -> Pair:
        with _writable(self._folder), _locked(self._folder):
            kept = _kept(self._folder, file)
            if kept and self._signed(kept):
                return kept
            own = _certificate(self._own)
            key = ec.generate_private_key(ec.SECP256R1())
            builder = (
                _builder(_name(name), own.subject, key, until=own.not_valid_after_utc)
                .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
                .add_extension(x509.SubjectAlternativeName(names), critical=False)
                .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
                .add_extension(_usage(signs_certificates=False), critical=True)
                .add_extension(
                    x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key().public_key()), critical=False
                )
            )
            return _keep(self._folder, file, builder.sign(self._key(), hashes.SHA256()), key)

    def _key(self) -> ec.EllipticCurvePrivateKey:
        key = serialization.load_pem_private_key(self._own.key_pem.encode(), password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise CannotHere(f"{self._own.key_path} is not the key that was written there; delete {self._folder}")
        return key

    def _signed(self, pair: Pair) -> bool:
        """Whether a pair that was found is this authority's, and for some time to come."""
        certificate = _certificate(pair)
        try:
            certificate.verify_directly_issued_by(_certificate(self._own))
        except (ValueError, TypeError, InvalidSignature):
            return False
        return _fresh(certificate)


def authority(folder: Path) -> Authority:
    """The authority that `folder` holds (`ca.pem`, `ca.key`); made where there is none, or one that has run out.

    Raises CannotHere where the folder cannot be written, or holds something else.
    """
    with _writable(folder):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _locked(folder):
            kept = _kept(folder, "ca")
            return Authority(folder, kept if kept and _fresh(_certificate(kept)) else _founded(folder))


def of_home() -> Authority:
    """The authority that signs for all worlds of this home: `$TESTBED_HOME/certificates`."""
    return authority(home() / "certificates")


def _founded(folder: Path) -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("pacs-testbed authority")
    builder = (
        _builder(name, name, key, until=_now() + _VALID)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
    )
    return _keep(folder, "ca", builder.sign(key, hashes.SHA256()), key)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, until: datetime.datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_now() - _SKEW)
        .not_valid_after(until)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common[:64])])


def _told(name: str, addresses: Sequence[str]) -> str:
    """A file's name of it: sites of two worlds may share a name, and not the address."""
    digest = hashlib.sha256("\n".join([name, *addresses]).encode()).hexdigest()[:12]
    return f"{''.join(letter for letter in name if letter.isalnum() or letter in '-.')[:40]}-{digest}"


def _keep(folder: Path, file: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Pair:
    """One after the other: whoever is killed between the two leaves a pair that does not match, which is none."""
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    write_whole(folder / f"{file}.key", pem)
    (folder / f"{file}.key").chmod(0o600)
    write_whole(folder / f"{file}.pem", certificate.public_bytes(serialization.Encoding.PEM))
    return _read(folder, file)


def _kept(folder: Path, file: str) -> Pair | None:
    """The pair, if both halves are there and of each other."""
    try:
        pair = _read(folder, file)
    except FileNotFoundError:
        return None
    return pair if _match(pair) else None


def _match(pair: Pair) -> bool:
    try:
        key = serialization.load_pem_private_key(pair.key_pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return False
    return key.public_key() == _certificate(pair).public_key()


def _read(folder: Path, file: str) -> Pair:
    certificate, key = folder / f"{file}.pem", folder / f"{file}.key"
    return Pair(certificate.read_text(), key.read_text(), certificate, key)


def _certificate(pair: Pair) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(pair.certificate_pem.encode())
    except ValueError as error:
        raise CannotHere(f"{pair.certificate_path} holds no certificate ({error}); delete it") from error


def _fresh(certificate: x509.Certificate) -> bool:
    return certificate.not_valid_after_utc > _now() + _SPARE


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


@contextmanager
def _writable(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CannotHere(f"{folder} cannot hold certificates ({error.strerror}); make it writable") from error


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Two commands at once found one authority, and issue one certificate of a name."""
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
