"""Studies that are brought into a PACS that speaks DIMSE and no DICOMweb: by C-STORE, each instance that it lacks.

Imported only where it is needed: pynetdicom takes 0.5 s.
"""

import io
import ssl
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path

import pydicom
import pynetdicom._config
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext, build_context

from nodes.endpoints import Endpoint
from nodes.errors import PullFailed
from nodes.pacs.dimse import STUDY_ROOT_FIND, association, instances_of
from nodes.pacs.flavours import Reach
from nodes.pull.identity import REFUSALS
from nodes.tls import caller_context

# Files are sent as they are, not read and written anew. pynetdicom documents it, below this name.
pynetdicom._config.STORE_SEND_CHUNKED_DATASET = True

_CONNECT_WITHIN_S = 30.0
_WARNINGS = range(0xB000, 0xC000)  # stored, with a remark (PS3.4, table B.2-1)
_PLAIN = str(ExplicitVRLittleEndian)


class Dimse:
    """A PACS as whoever stores into it sees it. `folder` is where each instance lies while it is sent."""

    def __init__(self, reach: Reach, pacs: Endpoint, folder: Path) -> None:
        self._reach = reach
        self._pacs = pacs
        self._sent = folder / "instance.dcm"

    def present(self, study: str) -> frozenset[str]:
        """The instances of a study that it has. Raises PullFailed."""
        with self._association([build_context(STUDY_ROOT_FIND)]) as made:
            return instances_of(made, self._pacs, study)

    def store(self, files: Mapping[str, memoryview]) -> None:
        """Instances by their UIDs, over one association, as they are; decoded first where it takes them only so.
        Raises PullFailed.
        """
        if not files:
            return
        kinds = {_kind(data) for data in files.values()}
        wanted = sorted(kinds | {(sop_class, _PLAIN) for sop_class, _ in kinds})
        contexts = [build_context(sop_class, syntax) for sop_class, syntax in wanted]
        with self._association(contexts) as made:
            taken = {(str(one.abstract_syntax), str(one.transfer_syntax[0])) for one in made.accepted_contexts}
            for uid, data in files.items():
                self._sent.write_bytes(data if _kind(data) in taken else _decoded(uid, data))
                self._send(made, uid)

    def _send(self, made: Association, uid: str) -> None:
        try:
            status = made.send_c_store(self._sent)
        except (RuntimeError, ValueError) as error:
            raise PullFailed(f"{self._pacs.site}: storing instance {uid}: {error}") from error
        if status.get("Status") != 0 and status.get("Status") not in _WARNINGS:
            told = f"status {status.Status:04X}" if "Status" in status else "nothing"
            raise PullFailed(f"{self._pacs.site}: its PACS answered the C-STORE of instance {uid} with {told}")

    def _association(self, contexts: list[PresentationContext]) -> AbstractContextManager[Association]:
        pacs = self._pacs
        connection = self._reach.connect(pacs.host, pacs.dimse_port or 0, _CONNECT_WITHIN_S)
        if pacs.dimse_tls is not None:
            try:
                connection = caller_context(pacs.dimse_tls).wrap_socket(connection, server_hostname=pacs.host)
            except (ssl.SSLError, OSError) as error:
                raise PullFailed(f"{pacs.site}: TLS with its PACS: {error}") from error
        return association(connection, pacs, contexts)


def _kind(data: memoryview) -> tuple[str, str]:
    """SOP class and transfer syntax of a file."""
    meta = pydicom.dcmread(io.BytesIO(data), specific_tags=[], stop_before_pixels=True).file_meta
    return str(meta.MediaStorageSOPClassUID), str(meta.TransferSyntaxUID)


def _decoded(uid: str, data: memoryview) -> bytes:
    """The same image, not compressed."""
    written = io.BytesIO()
    try:
        dataset = pydicom.dcmread(io.BytesIO(data))
        if dataset.file_meta.TransferSyntaxUID.is_compressed:
            dataset.decompress(generate_instance_uid=False)
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        pydicom.dcmwrite(written, dataset, enforce_file_format=True)
    except REFUSALS as error:
        said = "the PACS takes it uncompressed only, and it can't be decoded"
        raise PullFailed(f"instance {uid}: {said}: {error}") from error
    return written.getvalue()
