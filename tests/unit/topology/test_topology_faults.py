"""Faults as they are written: what, where and when, in topologies and in scenarios; refused with their place."""

from pathlib import Path

import pytest
from topology_texts import Load, Refuse

from emulator.errors import TopologyErrors
from emulator.faults import registry
from emulator.topology import dump, revive
from emulator.topology.resolved import PlannedFault, Trigger
from emulator.topology.scenarios import load_scenario

SITES = "sites: [{group: chu, count: 2}, {name: lyon, link: adsl}]"
SCENARIOS = sorted((Path(__file__).parents[3] / "topologies/scenarios").glob("*.yaml"))


def _with(*faults: str) -> str:
    return f"name: x\n{SITES}\nfaults:\n" + "".join(f"  - {{{fault}}}\n" for fault in faults)


@pytest.mark.parametrize(
    ("at", "trigger"),
    [
        ("90s", Trigger(at_s=90.0)),
        ("round 5", Trigger(round=5)),
        ("round 5 update", Trigger(round=5, moment="update")),
        ("every round", Trigger(every=1)),
        ("every 3 rounds aggregate", Trigger(every=3, moment="aggregate")),
        ("round 2 model 1MiB", Trigger(round=2, moment="model", bytes=1_048_576)),
    ],
)
def test_each_kind_of_trigger_is_resolved_to_what_it_says(loaded: Load, at: str, trigger: Trigger) -> None:
    (fault,) = loaded(_with(f"at: {at}, on: lyon, fault: link-down, for: 30s")).faults
    assert fault == PlannedFault("link-down", ("lyon",), trigger, 30.0)


def test_a_trigger_of_every_third_round_is_in_the_third_and_the_sixth_and_no_other() -> None:
    assert [number for number in range(1, 8) if Trigger(every=3).in_round(number)] == [3, 6]
    assert [number for number in range(1, 8) if Trigger(round=3).in_round(number)] == [3]


def test_groups_and_words_stand_for_sites_and_each_site_is_named_once(loaded: Load) -> None:
    def on(word: str) -> tuple[str, ...]:
        return loaded(_with(f"at: 1s, on: {word}, fault: link-down, for: 1s")).faults[0].on

    assert on("[lyon, chu, chu-01]") == ("lyon", "chu-01", "chu-02")
    assert on("all") == ("chu-01", "chu-02", "lyon")
    assert on("slowest") == ("lyon",)
    assert on("hub") == ("hub",)
    assert on("any") == on("any")
    assert len(on("any")) == 1


def test_a_kept_topology_comes_back_with_its_faults(loaded: Load) -> None:
    topology = loaded(
        _with("at: round 1, on: chu, fault: link-degrade, for: 2min, chance: 20%, loss: {mean: 1%, burst: 4}")
    )
    assert topology.faults[0].settings == {"loss": '{"mean": "1%", "burst": 4}'}
    assert revive(dump(topology)) == topology


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (
            "at: round 5 updat, on: lyon, fault: link-down, for: 3s",
            "4:10: faults.1.at: found 'round 5 updat'; expected a time",
        ),
        (
            "at: round 5 train 1MiB, on: lyon, fault: link-down, for: 3s",
            "4:10: faults.1.at: found 'round 5 train 1MiB'",
        ),
        ("at: round 0, on: lyon, fault: link-down, for: 3s", "4:10: faults.1.at: found 'round 0'"),
        (
            "at: 1s, on: lyom, fault: link-down, for: 3s",
            "4:18: faults.1.on: found 'lyom'; expected a site, a group, hub",
        ),
        ("at: 1s, on: lyon, fault: link-dwn, for: 3s", "did you mean 'link-down'?"),
        ("at: 1s, on: lyon, fault: link-down, for: 3", "the unit is missing: write 3 with one of us, ms, s, min"),
        ("at: 1s, on: lyon, fault: link-down, wya: up, for: 3s", "4:42: faults.1.wya: found the key 'wya'"),
        ("at: 1s, on: lyon, fault: link-down, way: upp, for: 3s", "found 'upp'; expected 'both', 'up' or 'down'"),
        ("on: lyon, fault: link-down, for: 3s", "found no 'at'; expected 'at: …' in this mapping"),
        ("at: 1s, on: lyon, fault: link-down", "found 'link-down' with no end; expected 'for: 30s'"),
        ("at: 1s, on: lyon, fault: worker-killed, for: 3s", "found 'for' at 'worker-killed'; expected no 'for'"),
        ("at: 1s, on: hub, fault: worker-killed", "4:18: found 'hub'; expected site: this fault can be nowhere else"),
        ("at: 1s, on: lyon, fault: link-degrade, for: 3s", "expected at least one value of the link"),
    ],
)
def test_what_is_wrong_is_told_at_its_place(refused: Refuse, fault: str, told: str) -> None:
    (line,) = refused(_with(fault))
    assert line.startswith("x.yaml:4:")
    assert told in line


def test_two_faults_that_take_hold_of_one_thing_at_one_moment_contradict_each_other(refused: Refuse) -> None:
    killed, stopped = (f"at: round 5, on: lyon, fault: pacs-{what}, for: 3s" for what in ("killed", "stopped"))
    (line,) = refused(_with(killed, stopped))
    assert line.startswith("x.yaml:5:5: found 'pacs-stopped' on 'lyon' at a moment when another takes hold of the PACS")
    assert "the other is at 4:5" in line


def test_every_kind_is_found_by_name_and_says_what_it_is() -> None:
    assert len(registry.names()) > 10
    for name in registry.names():
        told = registry.get(name).described()
        assert len(told["what"]) > 20, name
        assert told["where"], name


def test_a_scenario_fits_any_topology_that_has_its_sites(loaded: Load, tmp_path: Path) -> None:
    topology = loaded(f"name: x\n{SITES}\n")
    file = tmp_path / "scenario.yaml"
    file.write_text("name: s\nfaults: [{at: round 2, on: lyon, fault: link-down, for: 1min}]\n")
    assert load_scenario(file, topology, 1) == (PlannedFault("link-down", ("lyon",), Trigger(round=2), 60.0),)
    file.write_text("name: s\nfaults: [{at: round 2, on: paris, fault: link-down, for: 1min}]\n")
    with pytest.raises(TopologyErrors, match=r"scenario.yaml:2:\d+: faults.1.on: found 'paris'; expected a site"):
        load_scenario(file, topology, 1)


@pytest.mark.parametrize("file", SCENARIOS, ids=lambda file: file.stem)
def test_every_shipped_scenario_fits_a_topology_with_any_sites(loaded: Load, file: Path) -> None:
    assert load_scenario(file, loaded("name: x\nsites: [{group: g, count: 3}]\n"), 5)
