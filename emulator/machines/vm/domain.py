"""What libvirt is told of a guest: its XML, a pure function.

The golden guest and its clones differ in their names, in what lies behind their disks, in where their memory comes
from, and in nothing else: a saved state fits only the very same devices at the very same addresses.
"""

import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree as Tree

from emulator.machines.vm.channel import NAME
from emulator.topology.resolved import Disk
from emulator.wiring import LAN_MTU

Accelerator = Literal["kvm", "tcg"]
_QEMU = "http://libvirt.org/schemas/domain/qemu/1.0"
_OFF = {"tso4": "off", "tso6": "off", "ecn": "off", "ufo": "off", "csum": "off"}
_TRANSLATED_MIB = 32  # of translated code: unbounded, a guest under TCG grows to 800 MB
_SLOTS = {"network": 3, "serial": 4, "disks": 5}


@dataclass(frozen=True)
class Hardware:
    """What a guest's state is tied to."""

    accelerator: Accelerator
    machine: str
    vcpus: int
    memory_bytes: int
    kernel: Path
    initrd: Path
    arguments: str


@dataclass(frozen=True)
class Wanted:
    """One guest. `sockets` is their folder, as the daemon sees it; `disks` are base, own and layer; `tap` is what its
    cable is called before it is laid. Its memory is the file `memory`: shared, so that it is written, or a private
    view of it.
    """

    name: str
    hardware: Hardware
    disks: tuple[Path, Path, Path]
    own: Disk
    sockets: str
    console: Path
    tap: str
    memory: Path
    shared: bool


def xml(wanted: Wanted) -> str:
    """A transient domain that libvirt can create."""
    hardware = wanted.hardware
    Tree.register_namespace("qemu", _QEMU)
    domain = Tree.Element("domain", type="kvm" if hardware.accelerator == "kvm" else "qemu")
    _text(domain, "name", wanted.name)
    _text(domain, "genid", str(uuid.uuid4()))
    _text(domain, "memory", str(hardware.memory_bytes // 1024), unit="KiB")
    _text(domain, "vcpu", str(hardware.vcpus))
    _boot(domain, hardware)
    features = Tree.SubElement(domain, "features")
    Tree.SubElement(features, "acpi")
    if hardware.accelerator == "tcg":
        _text(Tree.SubElement(features, "tcg"), "tb-cache", str(_TRANSLATED_MIB), unit="MiB")
    Tree.SubElement(domain, "clock", offset="utc")
    _text(domain, "on_reboot", "destroy")
    _text(domain, "on_crash", "destroy")
    _devices(domain, wanted)
    _memory(domain, wanted)
    return Tree.tostring(domain, encoding="unicode")


def _text(owner: Tree.Element, tag: str, text: str, **attributes: str) -> None:
    Tree.SubElement(owner, tag, attributes).text = text


def _boot(domain: Tree.Element, hardware: Hardware) -> None:
    system = Tree.SubElement(domain, "os")
    _text(system, "type", "hvm", arch="x86_64", machine=hardware.machine)
    _text(system, "kernel", str(hardware.kernel))
    _text(system, "initrd", str(hardware.initrd))
    _text(system, "cmdline", hardware.arguments)


def _devices(domain: Tree.Element, wanted: Wanted) -> None:
    devices = Tree.SubElement(domain, "devices")
    for number, (path, letter) in enumerate(zip(wanted.disks, "abc", strict=True)):
        _disk(devices, path, letter, _SLOTS["disks"] + number, wanted.own if letter == "b" else None)
    Tree.SubElement(devices, "controller", type="usb", model="none")
    _at(Tree.SubElement(devices, "controller", type="virtio-serial", index="0"), _SLOTS["serial"])
    _network(devices, wanted.tap)
    _listening(devices, "serial", f"{wanted.sockets}/{wanted.name}.console", wanted.console)
    channel = _listening(devices, "channel", f"{wanted.sockets}/{wanted.name}.agent")
    Tree.SubElement(channel, "target", type="virtio", name=NAME)
    Tree.SubElement(devices, "memballoon", model="none")


def _disk(devices: Tree.Element, path: Path, letter: str, slot: int, own: Disk | None) -> None:
    disk = Tree.SubElement(devices, "disk", type="file", device="disk")
    # A site's disk is gone with its world: no write of it waits for the host's own disk.
    Tree.SubElement(disk, "driver", name="qemu", type="raw", cache="unsafe")
    Tree.SubElement(disk, "source", file=str(path))
    Tree.SubElement(disk, "target", dev=f"vd{letter}", bus="virtio")
    if own is None:
        Tree.SubElement(disk, "readonly")
    else:
        _bounds(disk, own)
    _at(disk, slot)


def _bounds(disk: Tree.Element, own: Disk) -> None:
    rates = {
        "read_bytes_sec": own.read_bps and own.read_bps // 8,
        "write_bytes_sec": own.write_bps and own.write_bps // 8,
    }
    bounds = {key: value for key, value in {**rates, "total_iops_sec": own.iops}.items() if value}
    if bounds:
        tune = Tree.SubElement(disk, "iotune")
        for key, value in bounds.items():
            _text(tune, key, str(value))


def _network(devices: Tree.Element, tap: str) -> None:
    """A tap that libvirt makes and opens; every frame has its real size and checksum, as on the other LAN cables."""
    network = Tree.SubElement(devices, "interface", type="ethernet")
    Tree.SubElement(network, "mac", address="02:00:00:00:00:01")
    Tree.SubElement(network, "target", dev=tap)
    Tree.SubElement(network, "model", type="virtio")
    driver = Tree.SubElement(network, "driver", name="qemu")
    Tree.SubElement(driver, "host", {**_OFF, "gso": "off", "mrg_rxbuf": "on"})
    Tree.SubElement(driver, "guest", _OFF)
    Tree.SubElement(network, "mtu", size=str(LAN_MTU))
    _at(network, _SLOTS["network"])


def _listening(devices: Tree.Element, kind: str, path: str, log: Path | None = None) -> Tree.Element:
    port = Tree.SubElement(devices, kind, type="unix")
    Tree.SubElement(port, "source", mode="bind", path=path)
    if log:
        Tree.SubElement(port, "log", file=str(log), append="on")
    return port


def _at(device: Tree.Element, slot: int) -> None:
    Tree.SubElement(device, "address", type="pci", domain="0x0000", bus="0x00", slot=f"0x{slot:02x}", function="0x0")


def _memory(domain: Tree.Element, wanted: Wanted) -> None:
    """libvirt has no word for a private view of a given file, nor for a state that is read later."""
    size, shared = wanted.hardware.memory_bytes, "on" if wanted.shared else "off"
    backend = f"memory-backend-file,id=golden,size={size},mem-path={wanted.memory},share={shared}"
    line = Tree.SubElement(domain, f"{{{_QEMU}}}commandline")
    waiting = () if wanted.shared else ("-incoming", "defer")
    for word in ("-object", backend, "-machine", "memory-backend=golden", *waiting):
        Tree.SubElement(line, f"{{{_QEMU}}}arg", value=word)
