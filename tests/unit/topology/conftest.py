"""Topologies as texts, loaded by way of real files."""

from pathlib import Path

import pytest
from topology_texts import Load, Refuse, load_text

from emulator.errors import WrongInput
from emulator.topology import Known, Topology


@pytest.fixture(scope="session")
def known() -> Known:
    return Known(
        flavours=frozenset({"orthanc", "dcmqrscp"}),
        scanners=frozenset({"1.5T", "3T", "3T-modern"}),
        tasks=frozenset({"dementia", "anomaly"}),
        algorithms=frozenset({"fedavg", "local-only"}),
        images=frozenset({"debian-12", "debian-13"}),
        on_vm=frozenset({"orthanc"}),
    )


@pytest.fixture(scope="session")
def loaded(known: Known, tmp_path_factory: pytest.TempPathFactory) -> Load:
    """Loads a text as a file named `x.yaml`."""
    folder = tmp_path_factory.mktemp("topologies")

    def from_text(text: str | bytes) -> Topology:
        return load_text(text, known, folder)

    return from_text


@pytest.fixture(scope="session")
def refused(loaded: Load) -> Refuse:
    """What is said about a text that must not load, without the folder's name."""

    def from_text(text: str | bytes) -> tuple[str, ...]:
        with pytest.raises(WrongInput) as caught:
            loaded(text)
        assert caught.value.exit_code == 2
        folder = str(caught.value).partition("x.yaml")[0]
        return tuple(line.removeprefix(folder) for line in str(caught.value).split("\n"))

    return from_text


@pytest.fixture(scope="session")
def shipped_topologies() -> Path:
    return Path(__file__).parents[3] / "topologies"
