"""What `machine` may say: a word, or a virtual machine with all that it has."""

from pathlib import Path

import pytest

from emulator.errors import TopologyErrors
from emulator.topology import Known, Topology, dump, load, revive
from emulator.topology.resolved import Disk, Guest

KNOWN = Known(
    frozenset({"orthanc", "dcmqrscp"}),
    frozenset({"3T"}),
    frozenset({"dementia"}),
    frozenset({"fedavg"}),
    images=frozenset({"debian-12", "debian-13"}),
    on_vm=frozenset({"orthanc"}),
)
USUAL = Guest("debian-12", 1, 192 * 2**20, Disk(2**30))


def _read(folder: Path, text: str) -> Topology:
    file = folder / "t.yaml"
    file.write_text("name: t\n" + text)
    return load(file, KNOWN)


def test_a_word_is_a_machine_with_what_is_built_in(tmp_path: Path) -> None:
    plain, usual = _read(tmp_path, "sites: [{name: a}, {name: b, machine: vm}]").sites
    assert (plain.machine, plain.guest) == ("namespace", None)
    assert (usual.machine, usual.guest) == ("vm", USUAL)


def test_a_virtual_machine_has_what_is_written(tmp_path: Path) -> None:
    (site,) = _read(
        tmp_path,
        "sites: [{name: a, machine: {kind: vm, image: debian-13, vcpus: 2, memory: 256MiB, cpu: 50%,"
        " disk: {size: 2GiB, read: 80mbit, write: 8mbit, iops: 100}}}]",
    ).sites
    assert site.guest == Guest("debian-13", 2, 2**28, Disk(2**31, 80_000_000, 8_000_000, 100), 0.5)


def test_a_group_takes_from_defaults_what_it_does_not_say(tmp_path: Path) -> None:
    text = "defaults: {machine: {kind: vm, memory: 256MiB, disk: {size: 2GiB}}}\nsites:\n"
    text += "- {group: a, count: 2, machine: vm}\n- {name: b, machine: {kind: vm, disk: {iops: 9}}}\n"
    text += "- {name: c, machine: namespace}"
    first, second, own, other = _read(tmp_path, text).sites
    assert first.guest == second.guest == Guest("debian-12", 1, 2**28, Disk(2**31))
    assert own.guest == Guest("debian-12", 1, 2**28, Disk(2**31, iops=9))
    assert (other.machine, other.guest) == ("namespace", None)


def test_it_is_kept_and_read_again_without_loss(tmp_path: Path) -> None:
    topology = _read(tmp_path, "sites: [{name: a, machine: {kind: vm, cpu: 30%}}, {name: b}]")
    assert revive(dump(topology)) == topology


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("kvm", "site 'a': machine: found 'kvm'; expected 'namespace' or 'vm'; did you mean 'vm'?"),
        ("3", "expected namespace, vm, or {kind: vm, image: debian-12, memory: 192MiB}"),
        ("{image: debian-12}", "machine.kind: found no 'kind'"),
        ("{kind: namespace, vcpus: 2}", "expected nothing beside 'kind: namespace'; vcpus are a virtual machine's"),
        ("{kind: vm, image: debian-11}", "found 'debian-11'; expected an image of a guest; did you mean 'debian-1"),
        ("{kind: vm, memory: 192}", "the unit is missing"),
        ("{kind: vm, memory: 64MiB}", "expected a size from 96MiB to 256GiB"),
        ("{kind: vm, memory: 1000kB}", "expected a size from 96MiB"),
        ("{kind: vm, vcpus: 0}", "expected a number of processors from 1 to 64"),
        ("{kind: vm, disk: {size: 1MiB}}", "machine.disk.size"),
        ("{kind: vm, disk: {speed: 1mbit}}", "the key 'speed'"),
        ("{kind: vm, cpu: 0.5}", "such as 50%"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, written: str, told: str) -> None:
    with pytest.raises(TopologyErrors) as caught:
        _read(tmp_path, f"sites:\n- name: a\n  machine: {written}")
    assert "t.yaml:4:" in str(caught.value)
    assert told in str(caught.value)


def test_a_pacs_that_no_guest_can_run_is_told_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(TopologyErrors) as caught:
        _read(tmp_path, "sites:\n- {name: a}\n- {name: b, pacs: dcmqrscp, machine: vm}")
    assert "t.yaml:4:38: site 'b'" in str(caught.value)
    assert "a virtual machine can run: orthanc; or machine: namespace" in str(caught.value)
