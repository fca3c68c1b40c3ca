"""A run goes on only over a world that lets it."""

from dataclasses import replace
from pathlib import Path

import pytest
from face_networks import Recorded, network

from emulator.errors import WrongState
from emulator.worlds import World
from emulator.worlds.record import WorldRecord
from testbed import launching, runs
from trainer.config import read


def test_a_centralised_run_is_refused_over_a_world_that_lets_no_study_out(home: Path, recorded: Recorded) -> None:
    run = recorded()
    file = runs.folder(run) / "config.json"
    config = read(file)
    training = replace(config.training, mode="centralised")
    file.write_text(config.model_copy(update={"training": training}).model_dump_json())
    world = World(home / "worlds" / "testing", network(6), WorldRecord.unknown("testing"))
    with pytest.raises(WrongState, match=r"may not send studies to the hub; write training: \{mode: centralised\}"):
        launching.recomposed(world, run)
