"""Memory of the world of `50_sites.yaml`, up and in training: the largest proportional set size seen. Limit: 3 GiB."""

import subprocess
import sys
import time
from pathlib import Path

from figures import tell

from emulator.worlds import World

_TOPOLOGY = Path(__file__).parents[2] / "topologies" / "50_sites.yaml"
_NAME = "bench-memory"
_PAUSE_S = 1.0


def main() -> None:
    testbed = [sys.executable, "-m", "testbed"]
    subprocess.run([*testbed, "up", str(_TOPOLOGY), "--name", _NAME], check=True)
    try:
        world = World.open(_NAME)
        idle = world.memory_bytes()
        largest = idle
        with subprocess.Popen([*testbed, "train", _NAME, "--rounds", "2"]) as training:
            while training.poll() is None:
                largest = max(largest, world.memory_bytes())
                time.sleep(_PAUSE_S)
        tell("memory of fifty sites, up", idle / 2**30, 3.0, "GiB")
        tell("memory of fifty sites, in training", largest / 2**30, 3.0, "GiB")
    finally:
        World.down(_NAME)


if __name__ == "__main__":
    main()
