"""DIMSE's bytes: what we write is read back, and whatever comes from the network is read or refused."""

import contextlib
import socket
import struct
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from import_data import dicom
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage
from pynetdicom import AE

from nodes.endpoints import Endpoint
from nodes.errors import Busy, Declined, PullFailed, Unreadable
from nodes.pull.dimse import commands, pdus, syntaxes
from nodes.pull.dimse.association import FIND, GET, Association
from nodes.pull.dimse.destination import Destination
from nodes.pull.dimse.pdus import Context
from nodes.pull.dimse.wire import Wire
from nodes.pull.intake import Intake
from nodes.pull.store import Store

UIDS = st.from_regex(r"[1-9][0-9]{0,8}(\.[0-9]{1,9}){1,5}", fullmatch=True)


@given(st.lists(st.tuples(UIDS, st.lists(UIDS, min_size=1, max_size=4)), min_size=1, max_size=8))
def test_an_association_request_is_read_as_it_was_written(asked: list[tuple[str, list[str]]]) -> None:
    contexts = [Context(abstract, tuple(names)) for abstract, names in asked]
    roles = [abstract for abstract, _ in asked]
    found = pdus.associated(memoryview(pdus.associate_rq("PACS", "WORKER", contexts, roles))[6:])
    assert (found.called, found.calling, found.maximum) == ("PACS", "WORKER", pdus.LARGEST_PDU)
    assert list(found.contexts.values()) == contexts
    assert list(found.contexts) == list(range(1, 2 * len(contexts), 2))
    assert list(found.roles) == roles
    chosen = {number: context.syntaxes[-1] for number, context in found.contexts.items() if number % 4 == 1}
    answered = pdus.associated(memoryview(pdus.associate_ac(found, chosen))[6:])
    assert {number: syntax for number, (result, syntax) in answered.results.items() if result == 0} == chosen
    assert answered.results.keys() == found.contexts.keys()


def test_an_offer_of_the_usual_classes_fits_into_an_association() -> None:
    contexts = [*syntaxes.storage(syntaxes.USUAL[: syntaxes.MOST_CLASSES]), Context(FIND, ("1",)), Context(GET, ("1",))]
    assert len(contexts) <= 128


@given(st.dictionaries(st.sampled_from([0x110, 0x800, 0x900]), st.integers(0, 65_535)), UIDS)
def test_a_command_is_read_as_it_was_written(numbers: dict[int, int], uid: str) -> None:
    found = commands.decoded(commands.command({**numbers, commands.AFFECTED_CLASS: uid}))
    assert {tag: commands.number(found, tag) for tag in numbers} == numbers
    assert commands.text(found, commands.AFFECTED_CLASS) == uid


@given(st.binary(max_size=400))
def test_bytes_that_are_no_association_and_no_command_are_refused(noise: bytes) -> None:
    for read in (lambda: pdus.associated(memoryview(noise)), lambda: commands.decoded(noise)):
        with contextlib.suppress(Unreadable):
            read()


@given(st.binary(max_size=5000), st.integers(7, 300), st.booleans())
def test_a_message_comes_out_whole_however_it_is_cut_into_pdus(data: bytes, largest: int, command: bool) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        sender = threading.Thread(target=theirs.sendall, args=(pdus.fragments(5, data, command, largest),))
        sender.start()
        wire, found = Wire(ours, "a test"), b""
        while len(found) < len(data):
            fragment = wire.fragment()
            assert fragment is not None
            assert (fragment.context, fragment.command) == (5, command)
            found += fragment.data
            assert fragment.last == (len(found) == len(data))
        sender.join()
        assert found == data
        assert wire.rx == len(data)


@settings(deadline=None)
@given(
    answers=st.lists(st.tuples(st.integers(0, 9), st.binary(max_size=200)), max_size=6),
    noise=st.binary(max_size=50),
)
def test_whatever_a_pacs_answers_an_association_ends_in_an_error_of_ours(
    answers: list[tuple[int, bytes]], noise: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    listener = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        connection, _ = listener.accept()
        with connection:
            asked = connection.recv(65_536)
            contexts = pdus.associated(memoryview(asked)[6 : 6 + struct.unpack_from(">I", asked, 2)[0]])
            connection.sendall(pdus.associate_ac(contexts, {1: "1.2.840.10008.1.2", 3: "1.2.840.10008.1.2"}))
            connection.sendall(b"".join(pdus.pdu(kind, body) for kind, body in answers) + noise)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65_536):
                pass

    peer = threading.Thread(target=answer)
    peer.start()
    endpoint = Endpoint("lyon", "127.0.0.1", None, listener.getsockname()[1])
    intake = Intake(Store(tmp_path_factory.mktemp("store")).holding("1.2.3"))
    try:
        association = Association(endpoint, (FIND, GET), (), 5)
        with pytest.raises(PullFailed):
            association.get("STUDY", {0x0020000D: "1.2.3"}, intake)
        association.close(whole=False)
    finally:
        peer.join()
        listener.close()


@pytest.mark.parametrize(
    ("body", "kind", "said"),
    [
        (b"\0\1\1\7", Declined, "another AE title"),
        (b"\0\1\1\3", Declined, "does not know our AE title"),
        (b"\0\2\3\2", Busy, "as many associations as it takes"),
    ],
)
def test_a_rejection_says_why_and_whether_to_come_again(body: bytes, kind: type[PullFailed], said: str) -> None:
    listener = socket.create_server(("127.0.0.1", 0))

    def reject() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65_536)
            connection.sendall(pdus.pdu(pdus.ASSOCIATE_RJ, body))

    peer = threading.Thread(target=reject)
    peer.start()
    with pytest.raises(PullFailed, match=said) as told:
        Association(Endpoint("lyon", "127.0.0.1", None, listener.getsockname()[1]), (FIND,), (), 5)
    peer.join()
    listener.close()
    assert type(told.value) is kind


def test_a_file_made_of_an_object_has_the_head_that_readers_expect(tmp_path: Path) -> None:
    import pydicom

    path = tmp_path / "a.dcm"
    path.write_bytes(syntaxes.meta("1.2.840.10008.5.1.4.1.1.4", "1.2.3", syntaxes.IMPLICIT))
    found = pydicom.dcmread(path).file_meta
    assert (found.MediaStorageSOPInstanceUID, found.TransferSyntaxUID) == ("1.2.3", syntaxes.IMPLICIT)


def test_a_pacs_that_opens_an_association_for_each_object_fills_one_file_of_the_store(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    intake = Intake(Store(tmp_path / "store").holding("1.2.3"))
    destination = Destination(Endpoint("lyon", "127.0.0.1", None, None, move_port=port), "127.0.0.1", 5)
    sender = AE()
    sender.add_requested_context(MRImageStorage, ExplicitVRLittleEndian)
    try:
        with destination.bringing(intake):
            for number in range(12):
                association = sender.associate("127.0.0.1", port)
                assert association.send_c_store(dicom(tmp_path / "slice", number)).Status == 0
                association.release()
    finally:
        destination.close()
    assert len(intake.holding) == 12
    assert len([*(tmp_path / "store").rglob("*.pack")]) <= 2  # an association may begin before the last one has ended
    assert len(Store(tmp_path / "store").holding("1.2.3")) == 12
