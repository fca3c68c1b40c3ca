"""Whatever a server sends, probing ends in one of the errors that it tells as findings."""

import contextlib
import json
import socket
import threading
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodes.probe.association import FIND, Aborted, Association, Context
from nodes.probe.browser import Answer
from nodes.probe.qido import kind_of_address, path_of
from nodes.probe.syntaxes import of_file

VERIFICATION = "1.2.840.10008.1.1"
PDUS = st.lists(
    st.builds(
        lambda kind, body: bytes([kind, 0]) + len(body).to_bytes(4, "big") + body,
        st.integers(0, 8),
        st.binary(max_size=120),
    ),
    max_size=4,
).map(b"".join)


def _told(content: bytes) -> None:
    """An association with a server that sends these bytes and ends."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(30)
        sender = threading.Thread(target=_send, args=(theirs, content))
        sender.start()
        try:
            with Association(ours, "WORKER", "PACS", (Context(VERIFICATION, ("1.2.840.10008.1.2",)),)) as made:
                for message in made.ask(FIND, VERIFICATION):
                    made.row(message)
        finally:
            sender.join()


def _send(there: socket.socket, content: bytes) -> None:
    with contextlib.suppress(OSError):
        there.recv(1 << 16)
        there.sendall(content)
        there.shutdown(socket.SHUT_WR)


@settings(max_examples=150, deadline=None)
@given(PDUS | st.binary(max_size=200))
def test_bytes_that_are_no_association_end_in_an_error_that_is_told(content: bytes) -> None:
    with pytest.raises((OSError, ValueError)):
        _told(content)


def test_a_server_that_ends_at_once_has_aborted() -> None:
    with pytest.raises(Aborted):
        _told(b"")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=8), below, max_size=3),
    max_leaves=12,
)


@given(JSON)
def test_only_a_list_of_data_sets_is_taken_for_rows(content: Any) -> None:
    found = Answer(200, {}, json.dumps(content).encode(), 0.0).rows()
    is_list = isinstance(content, list) and all(isinstance(row, dict) for row in content)
    assert found == (content if is_list else None)


def test_json_that_is_nested_too_deeply_is_no_list_of_rows() -> None:
    assert Answer(200, {}, b"[" * 200_000, 0.0).rows() is None


@given(st.text(max_size=40))
def test_any_text_may_be_an_address(address: str) -> None:
    assert kind_of_address(address) in ("none", "relative", "absolute")
    assert path_of(f"http://pacs:8042/{address}") == f"/{address}"


@given(st.binary(max_size=300))
def test_a_head_that_is_cut_or_is_none_names_no_syntax_or_one_in_text(content: bytes) -> None:
    assert of_file(content) is None
    assert (
        of_file(bytes(128) + b"DICM" + b"\x02\x00\x10\x00UI\x14\x001.2.840.10008.1.2.1\0" + content)
        == "1.2.840.10008.1.2.1"
    )
