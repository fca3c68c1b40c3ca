"""What can be done to a machine while its world is up."""

from typing import Literal, get_args

Verb = Literal["pause", "resume", "snapshot", "roll-back", "crash", "reboot", "power-cut"]
VERBS: tuple[Verb, ...] = get_args(Verb)
