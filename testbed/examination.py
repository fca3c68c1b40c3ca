"""What this machine can do. Each check really tries where that is quick, and says what to install."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from emulator import toxics, traffic, wan
from emulator.errors import NAMESPACES_ADVICE, CannotHere, Fell
from emulator.machines.vm import accelerator, hypervisor
from emulator.topology import Cohort, Compute, Direction, Link, Pacs, Site
from emulator.worlds import capacity, home
from nodes.pacs import flavours
from testbed.units import rate

TOOLS = (
    ("ip", "iproute2"),
    ("tc", "iproute2"),
    ("nft", "nftables"),
    ("unshare", "util-linux"),
)
EXTRAS = (
    ("tshark", "tshark", "an independent count of a site's bytes; the tests use it"),
    (traffic.PROGRAM, "mgen", "background traffic; topologies with `traffic` need it"),
    ("iperf3", "iperf3", "`testbed check` measures links by it"),
)
MEMORY_BYTES = 2e9
DISK_BYTES = 5e9


@dataclass(frozen=True)
class Check:
    """One finding. Where `needed` and not `ok`, `up` can't work; `advice` says what to do."""

    name: str
    ok: bool
    needed: bool
    found: str
    advice: str = ""


def examine() -> Iterator[Check]:
    """All checks, one after another as they are made."""
    yield _namespaces()
    yield from _wan()
    yield _router()
    yield from _pacs()
    yield from (_tool(*tool) for tool in TOOLS)
    yield _virtual_machines()
    yield _kvm()
    yield from (_extra(*extra) for extra in EXTRAS)
    yield _toxiproxy()
    yield _memory()
    yield _disk()


def _namespaces() -> Check:
    kinds = "root's" if os.geteuid() == 0 else "user"
    flags = "-nmpf" if os.geteuid() == 0 else "-Urnmpf"
    tool = shutil.which("unshare")
    if tool is None:
        return Check("namespaces", False, True, "no unshare to try them with", "apt-get install util-linux")
    tried = subprocess.run([tool, flags, "true"], capture_output=True, text=True, timeout=10, check=False)
    if tried.returncode == 0:
        return Check("namespaces", True, True, f"{kinds} namespaces, tried")
    return Check("namespaces", False, True, tried.stderr.strip() or "refused", NAMESPACES_ADVICE)


def _wan() -> Iterator[Check]:
    """Any one kernel is enough: none of them is needed by itself, all together are."""
    reasons = wan.available()
    some = any(reason is None for reason in reasons.values())
    for name, reason in reasons.items():
        yield Check(f"WAN kernel {name}", reason is None, not some, reason or "works", "" if some else _WAN_ADVICE)


def _router() -> Check:
    """What the router carries: measured the first time that it is asked for, and kept."""
    name = next((kind for kind, reason in wan.available().items() if reason is None), None)
    if name is None:
        return Check("router", False, False, "there is none to measure", _WAN_ADVICE)
    try:
        found = capacity.kept(name) or capacity.measure(name)
    except (CannotHere, Fell) as error:
        return Check("router", False, False, f"not measured: {error}", "run this again then")
    return Check(
        "router", True, False, f"the {name} kernel carries {rate(found.bps)}, all links together; measured here"
    )


_WAN_ADVICE = "apt-get install user-mode-linux, or use a kernel with sch_netem"


def _pacs() -> Iterator[Check]:
    """A flavour is there when it can say how it would be started."""
    kinds = sorted(flavours.names())
    found = {name: _missing(name) for name in kinds}
    some = any(missing is None for missing in found.values())
    for name, missing in found.items():
        yield Check(f"PACS {name}", missing is None, not some, missing or "can be started here")


def _missing(flavour: str) -> str | None:
    try:
        flavours.get(flavour).services(_sample(flavour), None)
    except CannotHere as error:
        return str(error)
    return None


def _sample(flavour: str) -> Site:
    direction = Direction(rate_bps=1_000_000, delay_s=0.0)
    cohort = Cohort("phantom", 1, {"control": 1}, "3T", ("mr",), "single-frame")
    pacs, link = Pacs(flavour, flavour), Link("sample", direction, direction)
    return Site(1, "sample", "sample", "namespace", link, pacs, cohort, Compute(0.0))


def _tool(program: str, package: str) -> Check:
    where = shutil.which(program)
    return Check(program, where is not None, True, where or "not found", "" if where else f"apt-get install {package}")


def _extra(program: str, package: str, purpose: str) -> Check:
    where = shutil.which(program)
    return Check(
        program,
        where is not None,
        False,
        where or f"not found; {purpose}",
        "" if where else f"apt-get install {package}",
    )


def _toxiproxy() -> Check:
    """Toxics are there when a gateway's server could be started."""
    try:
        program = toxics.server(_sample(min(flavours.names()))).argv[0]
    except CannotHere:
        return Check(toxics.PROGRAM, False, False, "not found; topologies with toxics need it", toxics.ADVICE)
    return Check(toxics.PROGRAM, True, False, program)


def _virtual_machines() -> Check:
    """QEMU, libvirt and its library; an image is made when the first topology asks for it."""
    try:
        hypervisor.prove()
    except CannotHere as error:
        return Check("virtual machines", False, False, str(error), hypervisor.ADVICE)
    return Check("virtual machines", True, False, f"{accelerator.qemu_version()}, libvirt")


def _kvm() -> Check:
    """The device alone proves nothing: some machines offer one on which guests hang, so booting decides."""
    if not Path("/dev/kvm").exists():
        return Check("KVM", False, False, "no /dev/kvm: virtual machines run by emulation (TCG)")
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return Check("KVM", False, False, "/dev/kvm is not open to this user", "join the group kvm")
    found = accelerator.known(home() / "cache")
    if found is None:
        return Check(
            "KVM", False, False, "/dev/kvm opens; the first virtual machine will tell whether guests boot on it"
        )
    said = "guests boot on it" if found == "kvm" else "guests hang on it: virtual machines run by emulation (TCG)"
    return Check("KVM", found == "kvm", False, f"{said}; tried here")


def _memory() -> Check:
    free = psutil.virtual_memory().available
    found = f"{free / 1e9:.1f} GB free, {len(os.sched_getaffinity(0))} processors"
    return Check("memory", free >= MEMORY_BYTES, False, found, "fifty sites in training take up to 3 GB")


def _disk() -> Check:
    free = shutil.disk_usage(home()).free
    found = f"{free / 1e9:.1f} GB free at {home()}"
    return Check("disk", free >= DISK_BYTES, False, found, "make room, or set TESTBED_HOME to another disk")
