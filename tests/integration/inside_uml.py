"""Process 1 of a user-mode kernel that has netem: builds what it is told, measures, prints, and halts the kernel.

Started by test_wan_host.py as `python -I -S inside_uml.py PLAN.json`. Standard library only.
"""

import ctypes
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from emulator.inside import agent, router, syscalls

_MODULES = ("sch_netem", "sch_htb", "cls_u32", "veth", "bridge")
_POWER_OFF = 0x4321FEDC


def _prepare() -> None:
    os.environ["TMPDIR"] = "/run"  # iperf3 writes a file of its own
    os.environ["PATH"] = "/usr/sbin:/usr/bin:/sbin:/bin"
    syscalls.mount("proc", "/proc", "proc")
    syscalls.mount("sysfs", "/sys", "sysfs")
    syscalls.mount("tmpfs", "/run", "tmpfs")
    Path("/run/netns").mkdir()
    modules = router.Modules(f"/usr/lib/uml/modules/{os.uname().release}")
    for name in _MODULES:
        modules.load(name)


def _shape(orders: list[dict[str, Any]]) -> None:
    """What the router's own programs do at its place."""
    for order in orders:
        with agent.at("router"):
            subprocess.run(order["argv"], input=order["text"], text=True, check=True)


def _measure(measures: list[dict[str, list[str]]]) -> None:
    for measure in measures:
        with agent.at(measure["place"]):  # type: ignore[arg-type]
            done = subprocess.run(measure["argv"], capture_output=True, text=True, check=False)
        print(json.dumps({"argv": measure["argv"], "code": done.returncode, "output": done.stdout + done.stderr}))


def main() -> None:
    plan = json.loads(Path(sys.argv[1]).read_text())
    _prepare()
    agent.OPERATIONS["add-places"]({"places": plan["places"], "settings": plan["settings"]}, [])
    print(json.dumps({"built": agent.OPERATIONS["configure"]({"steps": plan["steps"]}, [])}))
    _shape(plan["router"])
    _measure(plan["measures"])


if __name__ == "__main__":
    try:
        main()
    finally:
        sys.stdout.flush()
        ctypes.CDLL(None).reboot(_POWER_OFF)
