"""Round times on the emulated clock against the same trainings in real time, with computing waited for.

Four sites on unlike links, two rounds: behind a wide hub link; behind a narrow one where all uploads meet; and where
they come one after another. Limit: 3 % of each round and of the sum; where the machine is busy, the best of up to
three pairs, all of which are shown. Run: ./dev bench network_clock
"""

import importlib
import sys
import tempfile
from pathlib import Path

from figures import tell


def main() -> None:
    sys.path.append(str(Path(__file__).parents[1] / "integration"))
    clocks = importlib.import_module("two_clocks")
    cases = {
        "wide hub link": ("wide", clocks.ALIKE),
        "narrow hub link, uploads meet": ("narrow", clocks.ALIKE),
        "narrow hub link, uploads apart": ("narrow", clocks.UNLIKE),
    }
    with tempfile.TemporaryDirectory() as folder, clocks.home(Path(folder) / "home"):
        for case, (hub, compute) in cases.items():
            found = clocks.both(clocks.world(Path(folder), hub, compute))
            for name, timed in (("emulated", found.emulated), ("real", found.real)):
                wall = [round(entry["wall_s"], 2) for entry in timed.rounds]
                print(f"{case}: {name} {[round(s, 2) for s in timed.emulated_s]} s, wall {wall} s")
            print(
                f"{case}: worst of each pair measured {[round(100 * worst, 2) for worst in found.tried]} %, best counts"
            )
            tell(f"clock: {case}", 100 * found.worst, 100 * clocks.LIMIT, "%")


if __name__ == "__main__":
    main()
