"""The record: what is written is read back, and what was lost is said."""

import sqlite3
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from emulator.topology import Training
from nodes.endpoints import Endpoint
from nodes.fetched import Fetched
from trainer.config import LaunchConfig, SitePlace, read
from trainer.errors import CannotResume, NoRun, RunBusy, WrongInput
from trainer.record import Bytes, Dropped, Lock, Lost, Mark, Pull, Resent, RoundRecord, Run, Time, Writer, runs
from trainer.record.writer import prepare

LYON = Endpoint("lyon", "127.0.0.1", "http://127.0.0.1:1/", 104)
TRAINING = Training("dementia", "fedavg", 2, 1, 8, 0.05, 0.25, True, {"momentum": 0.5})


@pytest.fixture
def config(tmp_path: Path) -> LaunchConfig:
    (tmp_path / "topology.json").write_text("{}")
    (tmp_path / "runs").mkdir()
    return LaunchConfig(
        run_folder=tmp_path / "runs" / "20260101-one",
        world="w",
        topology_path=tmp_path / "topology.json",
        sites=(SitePlace(name="lyon", place=None, endpoint=LYON, cache_folder=tmp_path / "c"),),
        seed=7,
        training=TRAINING,
    )


def round_record(number: int, model: str) -> RoundRecord:
    return RoundRecord(
        number=number,
        started="2026-01-01T00:00:00.000+00:00",
        wall_s=1.5,
        emulated_s=10.0,
        emulated_end_s=10.0 * number,
        model_sha256=model,
        fidelity="ok",
        participants=("lyon",),
        missing={"nice": "link down"},
        metrics={"": {"accuracy": 0.5, "loss": 1.0}, "lyon": {"accuracy": 0.5}},
        times=(Time("lyon", "train", 3.0, True), Time("lyon", "update", 1.0, False)),
        payload=(Bytes("lyon", "update", 0, 900),),
        wire=(Bytes("lyon", "update", 52, 1000, 1, 2), Bytes("lyon", "control", 10, 20, 1, 1)),
    )


def test_a_round_is_read_back_as_it_was_written(config: LaunchConfig) -> None:
    prepare(config)
    with Writer(config.run_folder) as writer:
        assert writer.last is None
        model = writer.keep(b"model")
        writer.close_round(round_record(1, model))
        assert writer.last is not None
        assert (writer.last.round, writer.last.emulated_end_s) == (1, 10.0)
        assert writer.kept(model) == b"model"
        writer.end("done")
    run = Run.open(config.run_folder.parent.parent)
    summary = run.summary()
    assert summary["state"] == "done"
    assert summary["rounds"][0]["metrics"] == {
        "accuracy": 0.5,
        "balanced_accuracy": None,
        "loss": 1.0,
        "worst_site_accuracy": None,
    }
    assert summary["rounds"][0]["missing"] == {"nice": "link down"}
    cost = run.cost()
    assert cost["total_wire_bytes"] == 1082
    update = {"rx_wire": 52, "tx_wire": 1000, "rx_payload": 0, "tx_payload": 900}
    assert cost["rounds"][0]["sites"]["lyon"]["update"] == update
    assert set(cost["rounds"][0]["sites"]["lyon"]) == {"pull", "model", "update", "control"}
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        run.connection.execute("DELETE FROM rounds")
    run.close()


def test_retransmissions_drops_pulls_and_the_traffic_of_lost_rounds_are_told_beside_the_ledger(
    config: LaunchConfig,
) -> None:
    prepare(config)
    marks = [Mark("world-1", (Bytes("lyon", "update", at, 2 * at, 1, 2),)) for at in (10, 20, 30)]
    with Writer(config.run_folder) as writer:
        assert writer.mark is None
        writer.begin_counting(marks[0], 1, None)
        kept = round_record(1, writer.keep(b"model"))
        came = Fetched("1.2.3", "c-get", "no wado-rs: it speaks no DICOMweb", 24, 900_000, 400, 1, 0, 0.5)
        resent, dropped = Resent("lyon", "update", 0, 150, 0), Dropped("lyon", 1, 2, 3, 4)
        writer.close_round(
            replace(kept, resent=(resent,), drops=(dropped,), mark=marks[1], pulls=(Pull("lyon", came),))
        )
        assert writer.mark == marks[1]
    for _ in range(2):  # it was killed twice before the round became whole
        with Writer(config.run_folder) as writer:
            writer.begin_counting(marks[2], 2, Lost((Bytes("lyon", "update", 10, 20, 1, 1),)))
            assert writer.mark == marks[2]
    run = Run.open(config.run_folder.parent.parent)
    cost, pulls = run.cost(), run.pulls()
    run.close()
    assert pulls == [{"round": 1, "site": "lyon", **asdict(came)}]
    (entry,) = cost["rounds"]
    assert entry["sites"]["lyon"]["update"]["tx_retransmitted"] == 150
    assert "tx_retransmitted" not in entry["sites"]["lyon"]["control"]  # not measured is not nothing
    assert entry["drops"] == {"lyon": {"rx_lost": 1, "tx_lost": 2, "rx_overflowed": 3, "tx_overflowed": 4}}
    lost = {"lyon": {"update": {"rx_wire": 20, "tx_wire": 40}}}
    assert cost["lost"] == [{"before_round": 2, "sites": lost}]
    assert cost["total_wire_bytes"] == 1082 + 60


def test_a_run_of_an_older_version_is_read_and_gone_on_with(config: LaunchConfig) -> None:
    prepare(config)
    with Writer(config.run_folder) as writer:
        writer.close_round(round_record(1, writer.keep(b"model")))
    database = sqlite3.connect(config.run_folder / "run.sqlite")
    for table in ("retransmissions", "drops", "lost", "mark"):
        database.execute(f"DROP TABLE {table}")
    database.close()
    run = Run.open(config.run_folder.parent.parent)
    assert run.cost()["total_wire_bytes"] == 1082
    run.close()
    with Writer(config.run_folder) as writer:
        assert writer.mark is None
        writer.close_round(round_record(2, writer.keep(b"model")))


def test_a_run_that_nobody_holds_is_interrupted_and_one_that_is_held_runs(config: LaunchConfig) -> None:
    prepare(config)
    lock = Lock(config.run_folder)
    run = Run(config.run_folder)
    assert run.state == "running"
    with pytest.raises(RunBusy, match="another process"):
        Lock(config.run_folder)
    lock.close()
    assert run.state == "interrupted"
    run.close()
    assert [entry["state"] for entry in runs(config.run_folder.parent.parent)] == ["interrupted"]


def test_a_round_is_kept_whole_or_not_at_all(config: LaunchConfig) -> None:
    prepare(config)
    with Writer(config.run_folder) as writer:
        writer.close_round(round_record(1, "a" * 64))
        with pytest.raises(sqlite3.IntegrityError):
            writer.close_round(round_record(1, "b" * 64))
        assert writer.last is not None
        assert writer.last.model_sha256 == "a" * 64


def test_only_an_unfinished_run_with_the_same_settings_goes_on(config: LaunchConfig) -> None:
    prepare(config)
    with pytest.raises(CannotResume, match="is there already"):
        prepare(config)
    resumed = config.model_copy(update={"resume": True})
    prepare(resumed)
    with pytest.raises(CannotResume, match="seed was 7, now 8"):
        prepare(resumed.model_copy(update={"seed": 8}))
    config.topology_path.write_text('{"other": 1}')
    with pytest.raises(CannotResume, match="topology is another one"):
        prepare(resumed)
    config.topology_path.write_text("{}")
    with Writer(config.run_folder) as writer:
        writer.end("done")
    with pytest.raises(CannotResume, match="is done"):
        prepare(resumed)


def test_a_start_that_was_killed_half_way_begins_anew(config: LaunchConfig) -> None:
    config.run_folder.mkdir()
    sqlite3.connect(config.run_folder / "run.sqlite").close()
    (config.run_folder / "config.json.part").write_text("{")
    with pytest.raises(NoRun):
        Run(config.run_folder)
    assert runs(config.run_folder.parent.parent) == []
    prepare(config.model_copy(update={"resume": True}))
    assert Run(config.run_folder).state == "interrupted"


def test_a_damaged_model_is_not_gone_on_with(config: LaunchConfig) -> None:
    prepare(config)
    with Writer(config.run_folder) as writer:
        name = writer.keep(b"model")
        (config.run_folder / "models" / f"{name}.safetensors").write_bytes(b"other")
        with pytest.raises(CannotResume, match="damaged"):
            writer.kept(name)
        with pytest.raises(CannotResume, match="gone"):
            writer.kept("0" * 64)


def test_a_run_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(NoRun, match="no run in"):
        Run.open(tmp_path)
    with pytest.raises(NoRun, match="no run 'x'"):
        Run.open(tmp_path, "x")
    assert runs(tmp_path) == []


def test_a_config_survives_its_file_and_a_wrong_one_names_its_fields(config: LaunchConfig, tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text(config.model_dump_json())
    assert read(path) == config
    path.write_text('{"seed": "x", "colour": 1}')
    with pytest.raises(WrongInput, match="colour") as wrong:
        read(path)
    assert "seed" in str(wrong.value)
    with pytest.raises(WrongInput, match="can't be read"):
        read(tmp_path / "no")
