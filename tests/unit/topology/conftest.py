"""Topologies as texts, loaded by way of real files."""

from collections.abc import Callable
from pathlib import Path

import pytest

from emulator.errors import WrongInput
from emulator.topology import Known, Topology, load

Load = Callable[[str | bytes], Topology]
Refuse = Callable[[str | bytes], tuple[str, ...]]


@pytest.fixture(scope="session")
def known() -> Known:
    return Known(
        flavours=frozenset({"orthanc", "dcmqrscp"}),
        scanners=frozenset({"1.5T", "3T", "3T-modern"}),
        tasks=frozenset({"dementia", "anomaly"}),
        algorithms=frozenset({"fedavg", "local-only"}),
    )


@pytest.fixture(scope="session")
def loaded(known: Known, tmp_path_factory: pytest.TempPathFactory) -> Load:
    """Loads a text as a file named `x.yaml`."""
    file = tmp_path_factory.mktemp("topologies") / "x.yaml"

    def from_text(text: str | bytes) -> Topology:
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return load(file, known)

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
