"""One virtual machine from nothing, with its image cached, and with its golden guest cached, each by `testbed up`.

Its cohort is baked before; everything else of the first `up` is in its figure.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from figures import tell

_TOPOLOGY = "name: one\nsites: [{name: lyon, machine: vm, cohort: {studies: 4, storage: multi-frame}}]\n"


def _timed(*words: str) -> float:
    began = time.monotonic()
    subprocess.run([sys.executable, "-m", "testbed", *words], check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - began


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="vm-") as folder:
        os.environ["TESTBED_HOME"] = f"{folder}/home"
        topology = Path(folder, "one.yaml")
        topology.write_text(_TOPOLOGY)
        try:
            _timed("up", str(topology), "--machine", "namespace")
            _timed("down", "one")
            tell("first up of one virtual machine, nothing cached", _timed("up", str(topology)), 120, "s")
            _timed("down", "one")
            shutil.rmtree(Path(folder, "home/cache/goldens"))
            tell("up of one virtual machine, image cached", _timed("up", str(topology)), 15, "s")
            _timed("down", "one")
            tell("up of one virtual machine, golden guest cached", _timed("up", str(topology)), 2, "s")
        finally:
            _timed("down", "--all")


if __name__ == "__main__":
    main()
