"""Names and addresses inside a world.

Every site is a /24 of 10.0.0.0/8 behind its own gateway; the hub is site number 0.
A place is written `hub`, `wan`, `SITE` (its gateway), `SITE/pacs` or `SITE/worker`.
"""

from dataclasses import dataclass

HUB_ADDRESS = "10.0.0.2"
CONTROL_PORT = 8000
MODEL_PORT = 8001
UPDATE_PORT = 8002
STUDY_PORT = 8003
"""Where sites send their studies for centralised training; shut unless the topology asks for that."""
PROBE_PORTS = (8010, 8011, 8012, 8013)
"""What `check` sends its test transfers through; nothing listens there otherwise."""
DICOMWEB_PORT = 8042
DIMSE_PORT = 4242
MOVE_PORT = 11112
"""Where a worker takes what its PACS sends it for a C-MOVE."""
SINK_PORT = 9
"""UDP: where background traffic goes, and ends. RFC 863 calls it discard."""
WORKER_PROCESS, HUB_PROCESS = "testbed-worker", "testbed-hub"
"""What the kernel calls the processes of a training (`comm`)."""


def subnet(index: int) -> str:
    """The LAN of site `index` (1 to 65,535; the hub is 0), in CIDR notation."""
    return f"10.{index >> 8}.{index & 255}.0/24"


def gateway_address(index: int) -> str:
    return f"10.{index >> 8}.{index & 255}.1"


def pacs_address(index: int) -> str:
    return f"10.{index >> 8}.{index & 255}.2"


def worker_address(index: int) -> str:
    return f"10.{index >> 8}.{index & 255}.3"


@dataclass(frozen=True)
class Overlay:
    """A copy-on-write layer: `lower` is shared and never written, `target` is what the service sees."""

    lower: str
    target: str


@dataclass(frozen=True)
class Service:
    """A process that a world runs at a place, and how to tell that it answers.

    `files` are written before the start: name in the service's own folder → content. In `argv`, in the files and in
    `overlay.target` the text `@FOLDER@` stands for that folder. `ready_path` is fetched by HTTP on `ready_port` of the
    place's own address until it answers 200 (or, when None, a TCP connect does).
    """

    name: str
    place: str
    argv: tuple[str, ...]
    ready_port: int
    ready_path: str | None = None
    files: tuple[tuple[str, str], ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    overlay: Overlay | None = None

    @property
    def site(self) -> str:
        """The name of the site that its place belongs to."""
        return self.place.split("/")[0]
