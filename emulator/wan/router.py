"""The router of one world, whatever kernel it runs on: fed with lines for `ip -batch` and `tc -batch`."""

import json
from collections.abc import Sequence
from pathlib import Path

from emulator import duplicates
from emulator.reach import Agent
from emulator.wan.kernel import TABLES, WanKernel


class Router:
    """`@DEV@` in lines stands for its one interface. All raise `Fell` with the first line that it refuses."""

    def __init__(self, folder: Path, agent: Agent, kernel: WanKernel) -> None:
        self.tables = folder / Path(TABLES).name
        self._agent = agent
        self._kernel = kernel

    def ip(self, lines: Sequence[str]) -> None:
        self._feed("ip", lines)

    def tc(self, lines: Sequence[str]) -> None:
        self._feed("tc", lines)

    def _feed(self, program: str, lines: Sequence[str]) -> None:
        text = "\n".join(lines).replace("@DEV@", self._kernel.device) + "\n"
        self._kernel.run(self._agent, (program, "-batch", "-"), text)

    def detours(self) -> list[str]:
        """The intermediate devices that are there now."""
        listed = json.loads(self._kernel.run(self._agent, ("ip", "-json", "link", "show", "type", "ifb"), "") or "[]")
        return [device["ifname"] for device in listed if duplicates.is_detour(device["ifname"])]
