"""Process 1 of bench_up.py's bare start: fifty servers, each in a network of its own, nothing else. Prints seconds."""

import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from emulator.inside import agent, syscalls


def _prepare(number: int, service: dict[str, Any]) -> None:
    place = f"bare{number}"
    agent.OPERATIONS["add-places"]({"places": [place], "settings": {}}, [])
    for command in (["link", "set", "lo", "up"], ["address", "add", f"{service['address']}/24", "dev", "lo"]):
        with agent.at(place):
            subprocess.run(["ip", *command], check=True)
    if service["lower"]:
        agent.overlay(service["lower"], Path(service["folder"]), f"{service['folder']}/storage")


def _start(number: int, service: dict[str, Any]) -> None:
    launch = {"place": f"bare{number}", "argv": service["argv"], "folder": service["folder"], "env": service["env"]}
    agent.OPERATIONS["spawn"]({"launches": [{**launch, "nice": 0, "overlay": None}]}, [])


def _await(number: int, service: dict[str, Any]) -> None:
    request = {"place": f"bare{number}", "host": service["address"], "port": service["port"], "path": service["path"]}
    assert agent.OPERATIONS["wait-ready"]({**request, "within_s": 60, "folder": service["folder"]}, []) == {}


def main() -> None:
    services = json.loads(Path(sys.argv[1]).read_text())["services"]
    syscalls.mount("tmpfs", "/run", "tmpfs")
    Path("/run/netns").mkdir()
    for number, service in enumerate(services):
        _prepare(number, service)
    began = time.monotonic()
    starters = [threading.Thread(target=_start, args=pair) for pair in enumerate(services)]
    for starter in starters:
        starter.start()
    for starter in starters:
        starter.join()
    for number, service in enumerate(services):
        _await(number, service)
    print(time.monotonic() - began)


if __name__ == "__main__":
    main()
