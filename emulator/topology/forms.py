"""What the parts of a document have in common: mappings of known keys, and values with several forms."""

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ConfigDict, Discriminator, JsonValue

from emulator.topology.fields import REFUSED

VARIANT = "="  # the names of a union's variants begin with this: no key of a topology does


class Form(BaseModel):
    """A mapping whose keys are all known."""

    # Built with the document that they are parts of: each on its own took 20 ms more at every start.
    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True, strict=True)


def either(*choices: list[JsonValue]) -> dict[str, JsonValue]:
    """For editors: exactly one of these sets of keys is there."""
    return {"oneOf": [{"required": choice} for choice in choices]}


def choice(variant: Callable[[Any], str | None], expected: str) -> Discriminator:
    """Which of several forms a value has; of a value that has none, `expected` is told."""
    return Discriminator(variant, custom_error_type=REFUSED, custom_error_message=expected)
