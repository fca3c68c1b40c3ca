"""Recorded runs for the face's tests: made by the record's own writer."""

from pathlib import Path

import pytest
from face_networks import Recorded, network

from emulator.topology import Topology, dump
from nodes.endpoints import Endpoint
from nodes.fetched import Fetched
from trainer.config import LaunchConfig, SitePlace
from trainer.record import Bytes, Pull, RoundRecord, Time, Writer
from trainer.record.writer import prepare


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own."""
    monkeypatch.setenv("TESTBED_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def recorded(home: Path) -> Recorded:
    """Records a run of so many rounds and returns its id."""

    def record(run: str = "20261124-110512-a3f1", rounds: int = 3, sites: int = 6, why: str = "link down") -> str:
        topology = network(sites)
        folder = home / "runs" / run
        folder.mkdir(parents=True)
        (folder / "topology.json").write_text(dump(topology))
        places = tuple(
            SitePlace(
                name=s.name,
                place=None,
                endpoint=Endpoint(s.name, "127.0.0.1", None, None),
                cache_folder=folder / s.name,
            )
            for s in topology.sites
        )
        config = LaunchConfig(
            run_folder=folder, world="testing", topology_path=folder / "topology.json", sites=places,
            seed=7, training=topology.training,
        )  # fmt: skip
        prepare(config)
        with Writer(folder) as writer:
            for number in range(1, rounds + 1):
                writer.close_round(_round(topology, number, why))
            writer.end("done")
        return run

    return record


def _pull(site: str) -> Pull:
    if site.startswith("mobile"):
        return Pull(site, Fetched("1.2", "c-move", "DICOMweb: <none>", 64, 2_000_000, 0, 3, 1, 4.0))
    return Pull(site, Fetched("1.2", "wado-rs", "the first that it offers", 64, 1_000_000, 0, 0, 0, 0.5))


def _round(topology: Topology, number: int, why: str) -> RoundRecord:
    names = [site.name for site in topology.sites]
    missing = {names[-1]: why} if number == 2 else {}
    there = [name for name in names if name not in missing]
    overall = {
        "accuracy": 0.4 + 0.05 * number, "balanced_accuracy": 0.38 + 0.05 * number, "loss": 1.1 - 0.1 * number,
        "worst_site_accuracy": 0.2, "auc": 0.6, "recall_control": 0.7, "recall_mci": 0.3, "recall_ad": 0.5,
        "subjects": 40.0,
    }  # fmt: skip
    return RoundRecord(
        number=number,
        started="2026-11-24T11:05:12.000+00:00",
        wall_s=2.0,
        emulated_s=10.0,
        emulated_end_s=10.0 * number,
        model_sha256=f"{number:064x}",
        fidelity="exceeded" if number == 2 else "ok",
        participants=tuple(there),
        missing=missing,
        metrics={"": overall, **{name: {"accuracy": 0.5} for name in there}},
        times=tuple(
            Time(name, phase, seconds, phase in ("train", "eval"))
            for name in there
            for phase, seconds in (("model", 0.4), ("train", 1.0), ("update", 2.0), ("eval", 0.2))
        ),
        payload=tuple(
            Bytes(n, p, rx, tx) for n in there for p, rx, tx in (("model", 70_000, 0), ("update", 0, 70_000))
        ),
        wire=tuple(
            Bytes(n, p, rx, tx, 50, 50)
            for n in there
            for p, rx, tx in (("model", 75_000, 3_000), ("update", 3_000, 75_000))
        ),
        pulls=tuple(_pull(name) for name in there if number == 1),
    )
