"""A DIMSE server that is being filled by C-STORE. Apart from its flavour: pynetdicom takes long to import.

One C-STORE of pynetdicom takes 3 to 6 ms, most of it waiting, of which 1 ms is the processor's; DCMTK's storescu takes
1 ms. A study's phantoms take longer than that, and the oven has two workers a core, so that the waiting costs nothing.
"""

import io
import os
import socket
import subprocess
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pynetdicom._config
from pydicom.filereader import read_file_meta_info
from pynetdicom.presentation import build_context

from emulator.places import Service
from nodes.endpoints import Endpoint
from nodes.errors import CannotHere, PullFailed
from nodes.pacs.dimse import asked, association
from nodes.pacs.ending import end
from nodes.pacs.flavours import Filler, PacsAnswer

# Files are sent as they are, not read and written anew. pynetdicom documents it, below this name.
pynetdicom._config.STORE_SEND_CHUNKED_DATASET = True

_START_WITHIN_S = 60.0
_CONNECT_WITHIN_S = 30.0


class Running:
    """A server that is being filled, on a loopback port; `folder` is its own, with its log."""

    def __init__(self, process: subprocess.Popen[bytes], endpoint: Endpoint, folder: Path) -> None:
        self._process = process
        self._endpoint = endpoint
        self._folder = folder

    def wait(self) -> None:
        """Wait until its port opens; raises CannotHere with the end of its log."""
        deadline = time.monotonic() + _START_WITHIN_S
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                self._connection().close()
            except OSError:
                time.sleep(0.01)
            else:
                return
        raise CannotHere(f"{self._process.args!r} did not start; it says: {self.last_words()}")

    def put(self, archive: bytes) -> None:
        """One association a study: it offers what this study's files are, and nothing else."""
        with tempfile.TemporaryDirectory(dir=self._folder) as unpacked:
            with zipfile.ZipFile(io.BytesIO(archive)) as files:
                paths = [Path(files.extract(name, unpacked)) for name in files.namelist()]
            try:
                self._store(paths)
            except (OSError, RuntimeError, ValueError) as error:
                raise PullFailed(f"a study was not stored: {error}; the server says: {self.last_words()}") from error

    def _store(self, paths: list[Path]) -> None:
        metas = [read_file_meta_info(path) for path in paths]
        kinds = {(meta.MediaStorageSOPClassUID, meta.TransferSyntaxUID) for meta in metas}
        contexts = [build_context(sop_class, syntax) for sop_class, syntax in sorted(kinds)]
        with association(self._connection(), self._endpoint, contexts) as made:
            for path in paths:
                status = made.send_c_store(path)
                if status.get("Status") != 0:
                    told = f"{status.Status:04X}" if "Status" in status else "nothing"
                    raise PullFailed(f"a C-STORE was answered with {told}; the server says: {self.last_words()}")

    def count(self) -> PacsAnswer:
        """What the server says itself."""
        return asked(self._connection(), self._endpoint)

    def stop(self) -> None:
        """End it as a world does."""
        end(self._process)

    def last_words(self) -> str:
        """The end of its log."""
        log = self._folder / "log"
        return " | ".join(log.read_text(errors="replace").splitlines()[-8:])[-600:] or "nothing"

    def _connection(self) -> socket.socket:
        return socket.create_connection((self._endpoint.host, self._endpoint.dimse_port or 0), _CONNECT_WITHIN_S)


@contextmanager
def filling(service: Service, storage: Path, aet: str) -> Iterator[Filler]:
    """Run a DIMSE server on this machine over the folder `storage`; raises CannotHere when it does not start.

    Its own folder lies beside the storage meanwhile, so that a kill leaves nothing elsewhere.
    """
    with tempfile.TemporaryDirectory(prefix="filling-", dir=storage.parent) as given:
        folder = Path(given)
        (folder / "storage").symlink_to(storage, target_is_directory=True)
        for name, content in service.files:
            (folder / name).write_text(content.replace("@FOLDER@", given))
        argv = [part.replace("@FOLDER@", given) for part in service.argv]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, **dict(service.env)}
            )
        endpoint = Endpoint("filling", "127.0.0.1", None, service.ready_port, aet=aet, calling_aet="FILLER")
        running = Running(process, endpoint, folder)
        try:
            running.wait()
            yield running
        finally:
            running.stop()
