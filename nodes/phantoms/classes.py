"""The classes of the dementia study. Whoever only names them needs not import what draws subjects (numpy, 0.1 s)."""

from typing import Literal, TypeAlias

Label: TypeAlias = Literal["control", "mci", "ad"]
LABELS: tuple[Label, ...] = ("control", "mci", "ad")
