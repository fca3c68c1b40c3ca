"""Passwords of the hospitals' PACS: each another, the same at every look, and known to this home alone."""

import hmac
import os
import secrets
from pathlib import Path

from emulator.errors import CannotHere
from emulator.worlds.home import home


def password(purpose: str) -> str:
    """The password of a purpose (`lyon/pacs`): 32 hexadecimal digits, derived from the home's own secret."""
    return hmac.digest(kept_secret(home() / "secret"), purpose.encode(), "sha256").hex()[:32]


def kept_secret(kept: Path) -> bytes:
    """The secret in a file, which is made where there is none, for this user only. Raises CannotHere."""
    try:
        draft = kept.with_name(f"{kept.name}.{os.getpid()}")
        if not kept.exists():
            draft.touch(mode=0o600)
            draft.write_bytes(secrets.token_bytes(32))
            _keep(draft, kept)
        return kept.read_bytes()
    except OSError as error:
        raise CannotHere(
            f"{kept} cannot hold a secret ({error.strerror}); set TESTBED_HOME to a folder that can"
        ) from error


def _keep(draft: Path, kept: Path) -> None:
    """Of two commands at once the first one's secret stays."""
    try:
        kept.hardlink_to(draft)
    except FileExistsError:
        return
    finally:
        draft.unlink()
