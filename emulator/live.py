"""What was changed in a world's links, by hand and by faults that are on, kept in its folder. Plain Python."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

from emulator.topology.resolved import Change, GilbertElliott
from emulator.variation import UNCHANGED, over
from emulator.writing import write_whole

FILE = "live.json"
Changes = tuple[Change, Change]
"""One link's changes, down and up."""


@dataclass(frozen=True)
class Live:
    """`links` are the changes by hand that hold, by site; `faults` those of each fault, by its id and site. `trying` is
    the site whose change is being sent to the router: where it is found set, that was cut short, and the router may
    have half of it.
    """

    links: Mapping[str, Changes] = field(default_factory=dict)
    trying: str | None = None
    faults: Mapping[str, Mapping[str, Changes]] = field(default_factory=dict)

    def changes(self) -> dict[str, Changes]:
        """All that holds, by site: faults have the last word."""
        found = dict(self.links)
        for changed in self.faults.values():
            for site, (down, up) in changed.items():
                before = found.get(site, UNCHANGED)
                found[site] = over(before[0], down), over(before[1], up)
        return found

    @classmethod
    def read(cls, folder: Path) -> Self:
        """What is kept in a world's folder."""
        try:
            kept = json.loads((folder / FILE).read_text())
        except FileNotFoundError:
            return cls()
        faults = {name: _revived(links) for name, links in kept["faults"].items()}
        return cls(_revived(kept["links"]), kept["trying"], faults)

    def write(self, folder: Path) -> Self:
        faults = {name: _plain(links) for name, links in self.faults.items()}
        kept = {"links": _plain(self.links), "trying": self.trying, "faults": faults}
        write_whole(folder / FILE, json.dumps(kept, indent=1).encode())
        return self


def _plain(links: Mapping[str, Changes]) -> dict[str, dict[str, object]]:
    return {site: {"down": asdict(down), "up": asdict(up)} for site, (down, up) in links.items()}


def _revived(links: Mapping[str, Mapping[str, Mapping[str, object]]]) -> dict[str, Changes]:
    return {site: (revived(both["down"]), revived(both["up"])) for site, both in links.items()}


def revived(kept: Mapping[str, object]) -> Change:
    """The change that `asdict` wrote."""
    values = dict(kept)
    if isinstance(values["bursts"], dict):
        values["bursts"] = GilbertElliott(**values["bursts"])
    return Change(**values)  # type: ignore[arg-type]  # our own file, written by `Live.write`
