"""Fills qrscp's storage without its server, by the application's own code for its database.

By C-STORE it takes 60 ms an instance, as it opens its database anew for each and waits for the disk; so it is 5 ms.
"""

import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydicom import dcmread
from pynetdicom import PYNETDICOM_IMPLEMENTATION_VERSION
from pynetdicom.apps.qrscp import db
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session

from nodes.pacs.flavours import Filler, PacsAnswer

INSTANCES = "storage/instances"
"""Where the server finds its files, seen from the folder in which it runs."""


class Placing:
    """Puts files where qrscp would, and says so in its database."""

    def __init__(self, instances: Path, session: Session) -> None:
        self._instances = instances
        self._session = session

    def put(self, archive: bytes) -> None:
        with zipfile.ZipFile(io.BytesIO(archive)) as files:
            for name in files.namelist():
                content = files.read(name)
                header = dcmread(io.BytesIO(content), stop_before_pixels=True)
                (self._instances / header.SOPInstanceUID).write_bytes(content)
                db.add_instance(header, self._session, f"{INSTANCES}/{header.SOPInstanceUID}")

    def count(self) -> PacsAnswer:
        """What is in its database, and the version that its server will say."""
        instances = self._session.query(db.Instance.sop_instance_uid)
        studies = self._session.query(db.Instance.study_instance_uid).distinct()
        return PacsAnswer(PYNETDICOM_IMPLEMENTATION_VERSION, studies.count(), instances.count())


@contextmanager
def placing(storage: Path) -> Iterator[Filler]:
    """Fill `storage`; its database is whole once the context has ended."""
    instances, address = storage / "instances", f"sqlite:///{storage / 'qrscp.sqlite'}"
    instances.mkdir()
    db.create(address)
    engine = create_engine(address)
    try:
        with engine.connect() as connection, Session(bind=connection) as session:
            # A storage that was being filled when the power went is thrown away: there is nothing to wait for.
            session.execute(text("PRAGMA synchronous = OFF"))
            yield Placing(instances, session)
    finally:
        engine.dispose()
