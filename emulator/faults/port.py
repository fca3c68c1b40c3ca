"""Rules at a site's port of the WAN: what comes from the site and what goes to it, before anything else looks at it."""

from collections.abc import Sequence

from emulator.faults.fault import Plan, Request, Scene
from emulator.wiring import port

_FIRST = -600  # before the policy, which would count what is dropped here as refused


def rules(scene: Scene, target: str, number: int, *, up: Sequence[str], down: Sequence[str], sets: str = "") -> Plan:
    """nftables rules for packets that come from a target (`up`) and that go to it (`down`), in a table of their own.

    So what several faults drop is dropped as long as any of them lasts.
    """
    table = f"{scene.tag}_{number}"
    device = port(scene.index(target))
    chains = "\n".join(
        "\n".join((f'chain {way} {{\ntype filter hook {hook} device "{device}" priority {_FIRST};', *lines, "}"))
        for way, hook, lines in (("up", "ingress", up), ("down", "egress", down))
        if lines
    )
    gone = f"add table netdev {table}\ndelete table netdev {table}\n"
    text = f"{gone}table netdev {table} {{\n{sets}\n{chains}\n}}\n"
    return Plan((_apply(text),), (_apply(gone),))


def _apply(text: str) -> Request:
    return {"op": "configure", "steps": [{"place": "wan", "text": text}]}
