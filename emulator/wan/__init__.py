"""The WAN's router: one program of queues, several kinds of kernel that can run it (a registry by name)."""

from emulator.wan import host, plain, uml
from emulator.wan.kernel import WanKernel, available, choose, register

register(host.HostKernel())
register(uml.UmlKernel())
register(plain.PlainKernel())

__all__ = ["WanKernel", "available", "choose"]
