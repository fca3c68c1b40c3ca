"""TLS as a caller has it."""

from typing import TYPE_CHECKING

from nodes.endpoints import Tls
from nodes.errors import WrongInput

if TYPE_CHECKING:
    from ssl import SSLContext


def caller_context(tls: Tls | None) -> "SSLContext":
    """What a caller checks and shows. Without an authority those of this machine count. Raises WrongInput."""
    import ssl  # 10 ms: only those who need it pay

    try:
        context = ssl.create_default_context(cafile=tls.authority if tls and tls.authority else None)
        if tls and tls.certificate:
            context.load_cert_chain(tls.certificate, tls.key or None)
    except OSError as error:
        raise WrongInput(f"TLS: {tls}: {error}") from error
    return context
