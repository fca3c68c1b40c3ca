"""Who a guest is. A clone wakes up as its golden guest; what two guests must not share is given to it at once."""

import base64
import secrets
import time
import uuid
from dataclasses import dataclass

from emulator.places import gateway_address, pacs_address
from emulator.topology.resolved import Site
from emulator.wiring import LAN_PREFIX, lan_mac

IDENTIFY = "/usr/lib/testbed/identify"
_SEED_BYTES = 64
_PACS = 2  # its number on the LAN, as in `lan_mac`


@dataclass(frozen=True)
class KeyPair:
    """An SSH key pair, as OpenSSH writes them."""

    private: str
    public: str


def key_pair() -> KeyPair:
    """A fresh Ed25519 pair, drawn from this system's entropy."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    formats = serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, *formats)
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return KeyPair(private.decode(), public.decode())


def lines(site: Site, host_key: KeyPair, authorized: str, hosts: str) -> str:
    """What the guest's `identify` reads. The clock is this moment's: to be sent at once."""
    told = {
        "MAC": lan_mac(_PACS, site.index),
        "ADDRESS": f"{pacs_address(site.index)}/{LAN_PREFIX}",
        "GATEWAY": gateway_address(site.index),
        "HOSTNAME": site.name,
        "MACHINE_ID": uuid.uuid4().hex,
        "SEED": secrets.token_bytes(_SEED_BYTES).hex(),
        "HOST_KEY": base64.b64encode(host_key.private.encode()).decode(),
        "HOST_PUB": host_key.public,
        "AUTHORIZED_KEY": authorized,
        "HOSTS": base64.b64encode(hosts.encode()).decode(),
        "CLOCK": f"{time.time():.6f}",
    }
    return "".join(f"{key}={value}\n" for key, value in told.items())
