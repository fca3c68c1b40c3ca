"""`idle-timeout`: a middlebox forgets connections that say nothing."""

from dataclasses import replace
from typing import Annotated, ClassVar

from pydantic import Field

from emulator.faults.fault import Fault, Plan, Scene, Where
from emulator.faults.port import rules
from emulator.faults.registry import register
from emulator.topology.fields import Measured
from emulator.topology.units import DURATION

_FLOW = "typeof ip saddr . ip daddr . th sport . th dport; size 65536; flags dynamic, timeout"
_UP = "ip saddr . ip daddr . tcp sport . tcp dport"
_DOWN = "ip daddr . ip saddr . tcp dport . tcp sport"


@register("idle-timeout")
class IdleTimeout(Fault):
    """A middlebox on the access link forgets a TCP connection in which nothing was sent for a while: what is sent then
    is lost without a word, both ways, and both ends go on believing in the connection. New ones are let through.
    """

    where: ClassVar[tuple[Where, ...]] = ("site", "hub")
    of_network: ClassVar[bool] = True

    after: Annotated[float, Measured(replace(DURATION, example="30s"), "1s", "60min", step="1s")] = Field(
        default=30.0, description="how long a connection may be silent; usually 30s"
    )

    def at(self, scene: Scene, target: str, number: int) -> Plan:
        """One set for connections that are alive, one for those that were seen: who is in the second alone is dead."""
        sets = f"set alive {{ {_FLOW}; timeout {self.after:.0f}s; }}\nset seen {{ {_FLOW}; timeout 24h; }}"
        return rules(scene, target, number, up=_lines(_UP), down=_lines(_DOWN), sets=sets)


def _lines(flow: str) -> tuple[str, ...]:
    """A SYN begins a connection, whatever was there before; other packets keep one that is alive or was never seen."""
    live = f"update @alive {{ {flow} }} update @seen {{ {flow} }} accept"
    return (
        "meta l4proto != tcp accept",
        f"tcp flags & (syn | ack) == syn {live}",
        f"{flow} @alive {live}",
        f"{flow} @seen drop",
        live,
    )
