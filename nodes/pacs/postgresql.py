"""A PostgreSQL server of a site's own, for a PACS that keeps its index in one.

PostgreSQL refuses to run as root, and all that a world runs is root, or seems so to itself. Its programs are therefore
given a user namespace of their own, in which the very same user has another number. That works for root and for an
ordinary user's world alike, and its files belong to whoever owns all the others.
"""

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from emulator.places import Overlay, Service, pacs_address
from emulator.topology.resolved import Site
from emulator.waiting import wait_until
from nodes.errors import CannotHere
from nodes.pacs.ending import end

PORT = 5432
USER = "orthanc"
DATABASE = "postgres"
_KEPT = "postgresql"  # the folder of a baked storage that holds all of it
_CLUSTER = "cluster"  # one deeper: PostgreSQL wants it closed to others, and the top of a layer is open to them

_SOMEBODY = ("unshare", "--user", "--map-user=1000", "--map-group=1000", "--")
_INITDB = ("--username", USER, "--auth=trust", "--locale=C", "--encoding=UTF8", "--wal-segsize=1", "--no-sync")
_EMPTY_FIRST = f'initdb=$1; shift; test -e "$3/PG_VERSION" || "$initdb" -D "$3" {" ".join(_INITDB)} && exec "$@"'
_START_WITHIN_S = 60.0


def program(name: str) -> str:
    """One of its programs, of the newest version that is installed; raises CannotHere."""
    folders = sorted(Path("/usr/lib/postgresql").glob("[0-9]*/bin"), key=lambda folder: int(folder.parent.name))
    found = next((str(folder / name) for folder in reversed(folders) if (folder / name).exists()), shutil.which(name))
    if found is None:
        raise CannotHere(
            f"PostgreSQL's {name} is not installed here (looked in /usr/lib/postgresql and PATH); "
            "apt-get install postgresql"
        )
    return found


@cache
def version() -> str:
    """The major version, to which a cluster on disk is tied; raises CannotHere."""
    said = subprocess.run([program("postgres"), "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"\d+", said)
    if found is None:
        raise CannotHere(f"postgres --version says '{said.strip()}', and no number")
    return found[0]


def service(site: Site, storage: Path | None) -> Service:
    """The server `SITE/pacs-database`, which only the PACS itself may call, over a layer of the baked cluster.

    Without one it makes an empty cluster first.
    """
    address = pacs_address(site.index)
    serving = (program("postgres"), "-D", f"@FOLDER@/{_KEPT}/{_CLUSTER}", "-c", "config_file=@FOLDER@/postgresql.conf")
    making = ("sh", "-c", _EMPTY_FIRST, "sh", program("initdb"), *serving)
    return Service(
        name=f"{site.name}/pacs-database",
        place=f"{site.name}/pacs",
        argv=(*_SOMEBODY, *(serving if storage else making)),
        ready_port=PORT,
        files=tuple(_files("@FOLDER@", address, PORT).items()),
        overlay=Overlay(lower=str(storage / _KEPT), target=f"@FOLDER@/{_KEPT}") if storage else None,
    )


@contextmanager
def filling(storage: Path, folder: Path, port: int) -> Iterator[None]:
    """A new cluster in a storage that is being filled, and its server on 127.0.0.1:`port`; its files are in `folder`.

    The cluster is whole once the context has ended. Raises CannotHere where it cannot be made or started.
    """
    cluster, log = storage / _KEPT / _CLUSTER, folder / "postgresql.log"
    made = subprocess.run(
        [*_SOMEBODY, program("initdb"), "-D", cluster, *_INITDB], capture_output=True, text=True, check=False
    )
    if made.returncode != 0:
        raise CannotHere(f"PostgreSQL's cluster cannot be made here: {made.stderr.strip()[-400:]}")
    for name, content in _files(str(folder), "127.0.0.1", port).items():
        (folder / name).write_text(content)
    argv = [*_SOMEBODY, program("postgres"), "-D", str(cluster), "-c", f"config_file={folder}/postgresql.conf"]
    with log.open("wb") as output:
        server = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env={**os.environ, "TMPDIR": str(folder)}
        )
    try:
        wait_until(lambda: _answers(server, port, log), within_s=_START_WITHIN_S, what="PostgreSQL's answer")
        yield
    finally:
        end(server)  # who is connected may finish; nobody is, once Orthanc has ended


def _answers(server: "subprocess.Popen[bytes]", port: int, log: Path) -> bool:
    if server.poll() is not None:
        raise CannotHere(f"PostgreSQL does not start; it says: {log.read_text(errors='replace').strip()[-400:]}")
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _files(folder: str, address: str, port: int) -> dict[str, str]:
    settings = {
        "listen_addresses": f"'{address}'",
        "port": port,
        "unix_socket_directories": "''",  # a world's folder may be deeper than a socket's path may be long
        "hba_file": f"'{folder}/pg_hba.conf'",
        "fsync": "off",  # a process may end at any moment; that the machine loses power is not emulated
        "shared_buffers": "16MB",
        "dynamic_shared_memory_type": "mmap",
        "max_connections": 20,
        "wal_level": "minimal",
        "max_wal_senders": 0,
        "min_wal_size": "2MB",
        "max_wal_size": "32MB",
    }
    return {
        "postgresql.conf": "".join(f"{name} = {value}\n" for name, value in settings.items()),
        "pg_hba.conf": f"host all {USER} {address}/32 trust\n",
    }
