"""`plan`: before anything is started, what would cost what, and which time-out would fire where."""

import json
from pathlib import Path
from typing import Any

import pytest

from testbed.cli import run

WIRE = ("pull", "model", "update", "control")
TOPOLOGY = """
name: planned
seed: 7
links:
  modem: {{down: 56kbit, up: {up}, rtt: 200ms}}
defaults: {{cohort: {{studies: 8}}}}
sites:
  - {{name: lyon, link: ftth}}
  - {{name: hut, link: modem}}
training: {{rounds: 4, algorithm: {algorithm}}}
"""


def planned(
    folder: Path, capfd: pytest.CaptureFixture[str], up: str = "33kbit", algorithm: str = "fedavg"
) -> tuple[int, Any]:
    file = folder / "planned.yaml"
    file.write_text(TOPOLOGY.format(up=up, algorithm=algorithm))
    code = run(["plan", str(file), "--json"])
    return code, json.loads(capfd.readouterr().out)


def test_a_plan_names_every_site_every_purpose_and_adds_up(
    home: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    code, found = planned(tmp_path, capfd)
    assert code == 0
    assert found["verdict"] == "ok"
    assert found["wire_bytes"] == found["first_round"]["wire_bytes"] + 3 * found["later_rounds"]["wire_bytes"]
    assert found["seconds"] == pytest.approx(found["first_round"]["seconds"] + 3 * found["later_rounds"]["seconds"])
    for entry in (found["first_round"], found["later_rounds"]):
        wire = sum(sum(site[purpose].values()) for site in entry["sites"].values() for purpose in WIRE)
        assert entry["wire_bytes"] == wire
        assert entry["last_update"] == "hut"
    assert found["model_bytes"] > 4 * 50_179  # the network's parameters, in float32


def test_a_line_too_slow_for_the_answer_to_an_update_is_named_and_ends_the_command_with_1(
    home: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    code, found = planned(tmp_path, capfd, up="20kbit")
    assert code == 1
    deadline, silence = found["timeouts"]
    assert deadline["fires_at"] == {}
    assert list(silence["fires_at"]) == ["hut"]
    assert silence["fires_at"]["hut"] == pytest.approx(8 * 209_000 / 20_000, rel=0.02)


def test_a_line_too_slow_for_the_deadline_is_named(
    home: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    code, found = planned(tmp_path, capfd, up="2kbit")
    assert code == 1
    assert list(found["timeouts"][0]["fires_at"]) == ["hut"]
    assert run(["plan", str(tmp_path / "planned.yaml")]) == 1
    assert "WOULD FIRE at hut (" in capfd.readouterr().out


def test_models_that_stay_at_home_need_no_line(home: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code, found = planned(tmp_path, capfd, up="2kbit", algorithm="local-only")
    assert code == 0
    assert found["model_bytes"] == found["later_rounds"]["sites"]["hut"]["update"]["tx_wire"] == 0


def test_nothing_is_started_and_nothing_is_left(home: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    planned(tmp_path, capfd)
    assert not (home / "worlds").exists()
    assert [entry.name for entry in (home / "cache").iterdir()] == ["topologies"]  # what it has read, for the next time
