"""Puts a fault's toxic on at sites, or takes it off: `python -m emulator.worlds.poisoning FOLDER on|off TOXIC SITE…`.

A program of its own, since the world's agent, which runs it, sees no libraries. FOLDER is the
world's, TOXIC is JSON, as `asdict` writes it.
"""

import contextlib
import json
import os
import sys
from pathlib import Path

from pydantic import TypeAdapter

from emulator.errors import TestbedError, WrongState
from emulator.topology.resolved import Toxic
from emulator.worlds.world import World


def main(folder: Path, way: str, text: str, sites: list[str]) -> None:
    """Raises `TestbedError`. Taking off what is not on is fine."""
    toxic: Toxic = TypeAdapter(Toxic).validate_python(json.loads(text))
    world = World.open(folder.name)
    for site in sites:
        if way == "on":
            world.add_toxic(site, toxic)
        else:
            with contextlib.suppress(WrongState):
                world.remove_toxic(site, toxic)


if __name__ == "__main__":
    os.environ["TESTBED_HOME"] = str(Path(sys.argv[1]).parent.parent)
    try:
        main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4:])
    except (TestbedError, OSError) as error:
        sys.exit(str(error).replace("\n", "; "))
