"""The end of a server that filled a storage."""

import subprocess

_WITHIN_S = 60.0


def end(server: subprocess.Popen[bytes]) -> None:
    """Ask it to end, so that what it keeps is whole, and wait until it has; a minute later it is killed, and
    `TimeoutExpired` raised.
    """
    server.terminate()
    try:
        server.wait(_WITHIN_S)
    finally:
        server.kill()
        server.wait()
