"""Who may call."""

import base64
import binascii
import hmac
from collections.abc import Mapping
from typing import Any

from nodes.endpoints import Login
from nodes.gateway.messages import Fields, Refused


def let_in(caller: Login, realm: str, fields: Fields) -> None:
    """Returns if a request comes from the caller that is known; raises Refused (401, with what to send)."""
    scheme, _, credentials = fields.text("authorization").partition(" ")
    if caller.token:
        if scheme.lower() == "bearer" and _same(credentials.strip(), caller.token):
            return
        wrong = ', error="invalid_token"' if scheme.lower() == "bearer" else ""
        raise Refused(401, "a bearer token is needed", ("WWW-Authenticate", f'Bearer realm="{realm}"{wrong}'))
    if scheme.lower() == "basic" and _same(_decoded(credentials), f"{caller.user}:{caller.password}"):
        return
    asked = f'Basic realm="{realm}", charset="UTF-8"'
    raise Refused(401, "a user's name and password are needed", ("WWW-Authenticate", asked))


def _decoded(credentials: str) -> str:
    try:
        return base64.b64decode(credentials.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        return ""


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


def named(certificate: Mapping[str, Any] | None) -> frozenset[str]:
    """The DNS names in a caller's certificate, as `ssl` gives it."""
    pairs = (certificate or {}).get("subjectAltName", ())
    return frozenset(value for kind, value in pairs if kind == "DNS")
