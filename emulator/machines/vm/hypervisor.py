"""A libvirt daemon of the world's own: started, found again, spoken to.

It runs inside the world's namespaces, so its guests do, and all of them end with the world's init. It is reached from
outside through the init's root, where its socket lies in the world's own /run.
"""

import shutil
import sys
import time
import uuid
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from emulator.errors import CannotHere, Fell
from emulator.inside.hypervisor import PLACES
from emulator.machines.ground import Ground
from emulator.reach import Launch

if TYPE_CHECKING:
    import libvirt

URI = "qemu:///system"
SOCKET = "run/libvirt/libvirt-sock"
SOCKETS = "/run/vm"
"""Where guests' own sockets are, as the world sees it."""
EMULATOR = "qemu-system-x86_64"
ADVICE = "./dev install --tests brings QEMU, libvirt and its bindings for Python"
_START = Path(__file__).parents[2] / "inside" / "hypervisor.py"
_START_WITHIN_S = 20.0
_PAUSE_S = 0.02

_DAEMON = """\
listen_tls = 0
auth_unix_ro = "none"
auth_unix_rw = "none"
unix_sock_rw_perms = "0700"
host_uuid = "{uuid}"
min_workers = 4
max_workers = 20
max_client_requests = 40
keepalive_interval = -1
"""

# What a world gives already, namespaces and an end for everything, the daemon need not do again. Files are root's, or
# the only user's, and stay so. The state of a golden guest is read through a descriptor of ours.
_QEMU = """\
user = "+0"
group = "+0"
dynamic_ownership = 0
remember_owner = 0
security_driver = "none"
namespaces = []
cgroup_controllers = []
stdio_handler = "file"
"""


def prove() -> None:
    """Whether virtual machines can be had here. Raises `CannotHere` that says what is missing."""
    for program in ("libvirtd", EMULATOR):
        if shutil.which(program) is None:
            raise CannotHere(f"virtual machines need {program}, which is not installed here; {ADVICE}")
    _library()


@cache
def _library() -> ModuleType:
    try:
        import libvirt
    except ImportError as error:
        raise CannotHere(f"virtual machines need libvirt-python, which is not installed here; {ADVICE}") from error
    libvirt.registerErrorHandler(lambda _context, _error: None, None)  # it would print what we raise
    module: ModuleType = libvirt
    return module


class Hypervisor:
    """The libvirt daemon of one world. Thread-safe once it is open."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._folder = ground.folder / "libvirt"
        self._root = Path(f"/proc/{ground.agent.init_pid()}/root")

    def inside(self, path: str) -> Path:
        """A file of the world, as it is seen from outside."""
        return self._root / path.lstrip("/")

    def begin(self) -> None:
        """Start the daemon unless it runs; it need not answer yet."""
        if self._ground.agent.alive([str(self._folder)]):
            return
        self._write()
        (self._ground.cache / "libvirt").mkdir(parents=True, exist_ok=True)
        argv = (sys.executable, "-I", "-S", str(_START), str(self._folder), str(self._ground.cache.parent))
        self._ground.agent.spawn([Launch("wan", argv, str(self._folder), {}, urgent=True)])

    def _write(self) -> None:
        for name in PLACES:
            (self._folder / name).mkdir(parents=True, exist_ok=True)
        (self._folder / "etc" / "libvirtd.conf").write_text(_DAEMON.format(uuid=uuid.uuid4()))
        (self._folder / "etc" / "qemu.conf").write_text(_QEMU)
        with suppress(FileExistsError):
            self.inside(SOCKETS).mkdir(mode=0o700)

    def open(self) -> "libvirt.virConnect":
        """A connection to the daemon, which is started where it is not there. Raises `Fell`."""
        self.begin()
        library = _library()
        deadline = time.monotonic() + _START_WITHIN_S
        while True:
            try:
                return library.open(f"{URI}?socket={self.inside(SOCKET)}")
            except library.libvirtError as error:
                if time.monotonic() > deadline or not self._ground.agent.alive([str(self._folder)]):
                    said = (self._folder / "log").read_text(errors="replace")[-800:]
                    raise Fell(f"the world's libvirtd does not answer ({error}):\n{said}") from error
            time.sleep(_PAUSE_S)
