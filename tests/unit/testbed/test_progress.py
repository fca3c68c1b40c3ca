import pytest

from testbed import progress
from testbed.following import followed


def test_without_a_terminal_each_step_is_told_once_when_it_begins_and_once_when_it_ends(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with progress.shown() as report:
        for done in range(51):
            report("baking cohorts", done, 50)
        report("baking cohorts", 50, 50)
        report("sites", 4, 4)
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert lines[0] == "baking cohorts: 0/50"
    assert lines[1].startswith("baking cohorts: 50/50 in ")
    assert lines[2].startswith("sites: 4/4 in ")
    assert len(lines) == 3


def test_a_training_tells_each_round_and_each_missing_site_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    followed(
        "20261124-110512-a3f1",
        [
            {"event": "started", "run": "20261124-110512-a3f1", "rounds": 3, "first": 2, "sites": 4},
            {"event": "round-started", "round": 2, "sites": 4},
            {"event": "missing", "round": 2, "site": "chu-01", "why": "link down"},
            {
                "event": "round", "round": 2, "of": 3, "wall_s": 2.0, "emulated_s": 9.5, "participants": ["chu-02"],
                "missing": {"chu-01": "link down"}, "metrics": {"balanced_accuracy": 0.5}, "fidelity": "exceeded",
                "model_sha256": "00",
            },
            {"event": "something that a later trainer says"},
        ],
    )  # fmt: skip
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "20261124-110512-a3f1: 2 rounds over 4 sites",
        "round 2: chu-01 is missing: link down",
        "round 2 of 3: balanced accuracy 50.0 %; 1 site took part; 9.5 s emulated, 2.0 s here; fidelity exceeded",
    ]
