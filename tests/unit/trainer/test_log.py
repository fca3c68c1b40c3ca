"""A run's log: a torn tail costs its own line, a changed line is noticed, and the order stays."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.errors import RunDamaged
from trainer.record.log import Log, read, whole

TEXTS = st.text(max_size=20)
EVENTS = st.lists(st.tuples(TEXTS, st.dictionaries(st.sampled_from(["site", "why", "n"]), TEXTS)), max_size=6)
Told = list[tuple[str, dict[str, str]]]


def written(path: Path, told: Told) -> bytes:
    with Log(path) as log:
        for event, fields in told:
            log.add(event, **fields)
    return path.read_bytes() if path.exists() else b""


@given(EVENTS)
def test_events_are_read_back_in_their_order_and_numbered(tmp_path_factory: pytest.TempPathFactory, told: Told) -> None:
    path = tmp_path_factory.mktemp("log") / "events.jsonl"
    data = written(path, told)
    events = read(path)
    assert [event["seq"] for event in events] == list(range(1, len(told) + 1))
    for (name, fields), event in zip(told, events, strict=True):
        assert event["event"] == name
        assert fields.items() <= event.items()
    for line in data.splitlines():
        json.loads(line)  # any tool reads it


def test_a_log_that_is_cut_at_any_byte_keeps_every_whole_line_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    lines = written(path, [("first", {}), ("sécond", {"why": "it\nbroke"}), ("third", {})]).splitlines(keepends=True)
    kept = len(b"".join(lines[:2]))
    for cut in range(kept, kept + len(lines[2])):
        path.write_bytes(b"".join(lines)[:cut])
        assert len(read(path)) == 2
        with Log(path) as log:
            assert [event["event"] for event in log.events] == ["first", "sécond"]
            assert log.torn == cut - kept
            log.add("third again")
        assert [(event["seq"], event["event"]) for event in read(path)][2:] == [(3, "third again")]


@given(EVENTS.filter(lambda told: len(told) > 1), st.data())
def test_a_byte_that_was_changed_before_the_last_line_is_refused_and_nothing_is_touched(
    tmp_path_factory: pytest.TempPathFactory, told: Told, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("log") / "events.jsonl"
    content = written(path, told)
    last = content.rstrip(b"\n").rfind(b"\n")
    place = data.draw(st.integers(0, last - 1))
    other = data.draw(st.integers(0, 255).filter(lambda byte: byte != content[place]))
    damaged = content[:place] + bytes([other]) + content[place + 1 :]
    path.write_bytes(damaged)
    with pytest.raises(RunDamaged, match=r"events\.jsonl: line \d+ "):
        Log(path)
    assert path.read_bytes() == damaged


def test_a_line_that_was_taken_out_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    first, _, *rest = written(path, [(name, {}) for name in "abcd"]).splitlines(keepends=True)
    with pytest.raises(RunDamaged, match="line 2 "):
        whole(b"".join([first, *rest]), "x")


def test_the_lines_of_an_older_version_may_stand_before_those_that_are_checked(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text('{"time": "t", "event": "started"}\n')
    with Log(path) as log:
        log.add("resumed")
    assert [event.get("seq") for event in read(path)] == [None, 2]
    with path.open("a") as file:
        file.write('{"time": "t", "event": "slipped in"}\n')
    with Log(path) as log:
        assert log.torn > 0
