"""A resolved topology as JSON text, to be kept with a world and a run, and back without any loss."""

import json
from dataclasses import asdict

from pydantic import TypeAdapter, ValidationError

from emulator.errors import WrongInput
from emulator.topology.resolved import Topology


def dump(topology: Topology) -> str:
    """The whole topology as JSON. `revive(dump(t)) == t`, floats to the last bit."""
    return json.dumps(asdict(topology), indent=1, allow_nan=False)


def revive(text: str) -> Topology:
    """The topology that `dump` wrote. Raises `WrongInput` where the text is anything else, or of another version."""
    try:
        return TypeAdapter(Topology).validate_python(json.loads(text))
    except (ValueError, RecursionError) as error:  # pydantic's ValidationError is a ValueError
        raise WrongInput(
            f"a kept topology can't be read, the file is damaged or of another version: {_first_line(error)}"
        ) from error


def _first_line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return str(error)
