"""What the tests of topologies share: a text becomes a file, and the file a topology."""

from collections.abc import Callable
from pathlib import Path

from emulator.topology import Known, Topology, load

Load = Callable[[str | bytes], Topology]
Refuse = Callable[[str | bytes], tuple[str, ...]]


def load_text(text: str | bytes, known: Known, folder: Path) -> Topology:
    """Loads a text as the file `x.yaml` of a folder."""
    file = folder / "x.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    return load(file, known)
