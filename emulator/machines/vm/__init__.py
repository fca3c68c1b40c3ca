"""Virtual machines: a PACS in a guest with a kernel, a disk and a TCP stack of its own, by libvirt and QEMU."""

from emulator.machines.vm.machine import VmMachine

__all__ = ["VmMachine"]
