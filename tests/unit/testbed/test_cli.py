import csv
import io
import json
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete
from face_networks import Recorded

from testbed.cli import commands, run

Captured = pytest.CaptureFixture[str]


@pytest.mark.parametrize(
    "line",
    [
        ["nonsense"],
        ["up"],
        ["up", "no-such-file.yaml"],
        ["train", "--rounds", "0"],
        ["train", "--resume", "20261124-110512-a3f1", "--rounds", "3"],
        ["exec"],
        ["exec", "hub"],
        ["exec", "hub", "--"],
        ["cost", "--csv", "--json"],
        ["down", "--all", "fifty-sites"],
        ["open", "a", "b", "c"],
        ["completion", "perl"],
    ],
)
def test_wrong_usage_ends_with_2_and_says_why_on_stderr(line: list[str], home: Path, capsys: Captured) -> None:
    assert run(line) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.strip()


@pytest.mark.parametrize(
    "line",
    [
        ["status"],
        ["status", "fifty-sites"],
        ["train"],
        ["exec", "hub", "--", "true"],
        ["open", "hub"],
        ["show"],
        ["cost", "20261124-110512-a3f1"],
        ["report"],
        ["train", "--resume", "20261124-110512-a3f1"],
    ],
)
def test_what_needs_a_world_or_a_run_that_is_not_there_ends_with_4(
    line: list[str], home: Path, capsys: Captured
) -> None:
    assert run(line) == 4
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("testbed: ")


def test_down_on_nothing_is_fine(home: Path, capsys: Captured) -> None:
    assert run(["down"]) == 0
    assert run(["down", "--all"]) == 0
    capsys.readouterr()
    assert run(["down", "fifty-sites", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"down": []}


@pytest.mark.parametrize("line", [["ls"], ["runs"], ["show"], ["cost"], ["report"], ["down"], ["schema"]])
def test_json_is_one_document_on_stdout_and_nothing_else(line: list[str], recorded: Recorded, capsys: Captured) -> None:
    recorded()
    assert run([*line, "--json"]) == 0
    assert isinstance(json.loads(capsys.readouterr().out), dict)


def test_an_option_is_read_from_its_environment_variable(
    recorded: Recorded, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    run_id = recorded()
    monkeypatch.setenv("TESTBED_SHOW_JSON", "1")
    assert run(["show"]) == 0
    assert json.loads(capsys.readouterr().out)["run"] == run_id


def test_show_has_the_fields_that_scripts_rely_on(recorded: Recorded, capsys: Captured) -> None:
    recorded(rounds=2)
    assert run(["show", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found.keys() >= {"run", "world", "state", "task", "algorithm", "seed", "model_sha256", "rounds"}
    assert found["state"] == "done"
    second = found["rounds"][1]
    assert second["missing"] == {"mobile-06": "link down"}
    assert second["fidelity"] == "exceeded"
    assert second["metrics"].keys() >= {"accuracy", "balanced_accuracy", "loss", "worst_site_accuracy"}


def test_the_newest_run_is_meant_where_none_is_named(recorded: Recorded, capsys: Captured) -> None:
    for run_id in ("20261124-000000-aaaa", "20261125-000000-bbbb"):
        recorded(run_id)
    assert run(["cost", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["run"] == "20261125-000000-bbbb"


def test_cost_as_csv_adds_up_to_cost_as_json(recorded: Recorded, capsys: Captured) -> None:
    recorded()
    assert run(["cost", "--json"]) == 0
    total = json.loads(capsys.readouterr().out)["total_wire_bytes"]
    assert run(["cost", "--csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert sum(int(row["rx_wire"]) + int(row["tx_wire"]) for row in rows) == total


def test_cost_for_people_shows_every_purpose_and_the_sites_that_moved_most(
    recorded: Recorded, capsys: Captured
) -> None:
    recorded(sites=12)
    assert run(["cost"]) == 0
    out = capsys.readouterr().out
    assert all(word in out for word in ("pull", "model", "update", "control", "overhead", "all", "chu-01"))
    assert "2 more sites moved less" in out
    assert run(["cost", "--sites"]) == 0
    assert "mobile-12" in capsys.readouterr().out


def test_a_full_disk_is_this_machines_fault_and_told_in_one_line(recorded: Recorded, capsys: Captured) -> None:
    recorded()
    assert run(["report", "-o", "/dev/full"]) == 3
    assert capsys.readouterr().err.startswith("testbed: this machine: No space left on device; ")


def test_a_home_that_can_not_be_made_is_told_with_its_path(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    monkeypatch.setenv("TESTBED_HOME", "/sys/kernel/testbed")  # even root may make no folder there
    assert run(["ls"]) == 3
    assert capsys.readouterr().err.startswith("testbed: /sys/kernel/testbed: ")


def completed(words: list[str], incomplete: str) -> list[str]:
    """What a shell would offer."""
    shell = ShellComplete(commands, {}, "testbed", "_TESTBED_COMPLETE")
    return [item.value for item in shell.get_completions(words, incomplete)]


def test_runs_are_completed_in_every_place_where_a_run_is_meant(recorded: Recorded) -> None:
    run_id = recorded()
    for words in (["show"], ["cost"], ["report"], ["report", "another"], ["train", "--resume"]):
        assert completed(words, "2026") == [run_id]


def test_completion_of_worlds_offers_nothing_where_nothing_is_up(home: Path) -> None:
    assert completed(["status"], "") == []
    assert completed(["exec"], "") == []


def test_commands_are_completed(home: Path) -> None:
    assert completed([], "do") == ["doctor", "down"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_a_script(shell: str, capsys: Captured) -> None:
    assert run(["completion", shell]) == 0
    assert "_TESTBED_COMPLETE" in capsys.readouterr().out
