"""A world's log of events survives writers that are killed."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator import events

ROOT = Path(__file__).parents[3]


def test_events_are_read_in_the_order_in_which_they_were_written(tmp_path: Path) -> None:
    assert list(events.read(tmp_path)) == []
    events.write(tmp_path, "up", sites=3)
    events.write(tmp_path, "link changed", site="besançon")
    first, second = events.read(tmp_path)
    assert (first["event"], first["sites"]) == ("up", 3)
    assert (second["event"], second["site"]) == ("link changed", "besançon")
    assert first["at"] <= second["at"]
    assert first["at"].endswith("+00:00")


@given(st.integers(0, 200))
def test_a_line_that_was_torn_is_passed_over_and_hides_no_other(
    tmp_path_factory: pytest.TempPathFactory, kept: int
) -> None:
    folder = tmp_path_factory.mktemp("events")
    events.write(folder, "first")
    whole = (folder / events.FILE).read_bytes()
    events.write(folder, "torn", text="é" * 40)
    (folder / events.FILE).write_bytes((folder / events.FILE).read_bytes()[: len(whole) + kept])
    events.write(folder, "last")
    names = [event["event"] for event in events.read(folder)]
    assert [name for name in names if name != "torn"] == ["first", "last"]


def test_writers_do_not_mix(tmp_path: Path) -> None:
    writers = [
        threading.Thread(target=lambda: [events.write(tmp_path, "e", text="x" * 3000) for _ in range(50)])
        for _ in range(4)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(list(events.read(tmp_path))) == 200


def test_what_runs_inside_a_world_needs_the_standard_library_only() -> None:
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import emulator.inside.player; print('ok')"
    ran = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert ran.stdout == "ok\n", ran.stderr
