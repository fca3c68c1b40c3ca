"""What was changed by hand in a world's links, kept in its folder. Plain Python."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

from emulator.topology.resolved import Change, GilbertElliott
from emulator.writing import write_whole

FILE = "live.json"
Changes = tuple[Change, Change]
"""One link's changes, down and up."""


@dataclass(frozen=True)
class Live:
    """`links` are the changes that hold, by site. `trying` is the site whose change is being sent to the router: where
    it is found set, that was cut short, and the router may have half of it.
    """

    links: Mapping[str, Changes] = field(default_factory=dict)
    trying: str | None = None

    @classmethod
    def read(cls, folder: Path) -> Self:
        """What is kept in a world's folder."""
        try:
            kept = json.loads((folder / FILE).read_text())
        except FileNotFoundError:
            return cls()
        links = {site: (revived(both["down"]), revived(both["up"])) for site, both in kept["links"].items()}
        return cls(links, kept["trying"])

    def write(self, folder: Path) -> Self:
        links = {site: {"down": asdict(down), "up": asdict(up)} for site, (down, up) in self.links.items()}
        write_whole(folder / FILE, json.dumps({"links": links, "trying": self.trying}, indent=1).encode())
        return self


def revived(kept: Mapping[str, object]) -> Change:
    """The change that `asdict` wrote."""
    values = dict(kept)
    if isinstance(values["bursts"], dict):
        values["bursts"] = GilbertElliott(**values["bursts"])
    return Change(**values)  # type: ignore[arg-type]  # our own file, written by `Live.write`
