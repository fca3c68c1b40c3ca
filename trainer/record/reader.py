"""Reading runs: what `runs`, `show`, `cost` and `report` know."""

import json
import sqlite3
from dataclasses import fields
from pathlib import Path
from typing import Any

from emulator.topology import Topology, revive
from nodes.fetched import Fetched
from trainer.config import LaunchConfig
from trainer.errors import NoRun
from trainer.record import folder as files
from trainer.record.log import Event, read
from trainer.record.schema import ALWAYS

_ALWAYS = ("accuracy", "balanced_accuracy", "loss", "worst_site_accuracy")
_NOTHING = {"rx_wire": 0, "tx_wire": 0, "rx_payload": 0, "tx_payload": 0}
_AGAIN = ("rx_retransmitted", "tx_retransmitted", "rx_repeated")
_DROPS = ("rx_lost", "tx_lost", "rx_overflowed", "tx_overflowed")

_PULL = ("round", "site", *(field.name for field in fields(Fetched)))

_FAULT = ("id", "round", "fault", "on", "settings", "trigger", "started", "emulated_s", "for_s", "refused")
_Sites = dict[str, dict[str, dict[str, int]]]


class Run:
    """One recorded run. `connection` is a read-only SQLite connection to its tables (`trainer.record.schema`)."""

    def __init__(self, folder: Path) -> None:
        """Raises `NoRun` where the folder holds no run that has begun."""
        self.folder = folder
        path = folder / files.DATABASE
        if not path.exists():
            raise NoRun(f"there is no run '{folder.name}' in {folder.parent}; `testbed runs` lists them")
        self.connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        try:
            begun = self.connection.execute("SELECT count(*) FROM run").fetchone()[0]
        except sqlite3.OperationalError:
            begun = 0
        if not begun:
            self.connection.close()
            raise NoRun(f"run '{folder.name}' ended before it began; start it again, or remove {folder}")

    @classmethod
    def open(cls, home: Path, run: str | None = None) -> "Run":
        """The run of that id, or the newest one. Raises `NoRun`."""
        if run is not None:
            return cls(_runs_folder(home) / run)
        for folder in _newest_first(home):
            try:
                return cls(folder)
            except NoRun:
                continue
        raise NoRun(f"there is no run in {_runs_folder(home)} yet; `testbed train` makes one")

    @property
    def state(self) -> str:
        """`done`, `running`, `interrupted` or `failed`. Whoever is not held by a living process does not run."""
        kept = str(self._one("SELECT state FROM run"))
        if kept == "running" and not files.held(self.folder):
            # It may have ended between the two looks; the record has the last word.
            kept = str(self._one("SELECT state FROM run"))
            return "interrupted" if kept == "running" else kept
        return kept

    def entry(self) -> dict[str, Any]:
        """One line of `runs --json`."""
        names = "id, world, task, algorithm, seed, started, ended, model_sha256, rounds_asked, why"
        row = self.connection.execute(f"SELECT {names} FROM run").fetchone()  # noqa: S608 - names of our own, nothing from outside - own names
        values = dict(zip(names.split(", "), row, strict=True))
        rounds = self._one("SELECT count(*) FROM rounds")
        return {"run": values.pop("id"), **values, "mode": self._mode(), "state": self.state, "rounds": rounds}

    def _mode(self) -> str:
        """`federated` or `centralised`."""
        config = json.loads((self.folder / files.CONFIG).read_text())
        return str(config["training"].get("mode", "federated"))

    def summary(self) -> dict[str, Any]:
        """The document of `train --json` and `show --json`. `missing`: every site that was missing from a round, from
        which ones, and why the last time.
        """
        entry = self.entry()
        names = ("run", "world", "state", "mode", "task", "algorithm", "seed", "model_sha256", "rounds_asked", "why")
        metrics, findings, attendance = self._metrics(), self._findings(), self._attendance()
        rows = self.connection.execute(
            "SELECT round, wall_s, emulated_s, participants, missing, fidelity, model_sha256 FROM rounds ORDER BY round"
        )
        rounds = [
            {
                "round": number,
                "wall_s": wall_s,
                "emulated_s": emulated_s,
                "participants": json.loads(participants),
                "missing": json.loads(missing),
                "late": attendance.get((number, "late"), {}),
                "back": attendance.get((number, "back"), {}),
                "metrics": {**dict.fromkeys(_ALWAYS), **metrics.get(number, {})},
                "fidelity": fidelity,
                "fidelity_why": [found["said"] for found in findings.get(number, ()) if found["exceeded"]],
                "findings": findings.get(number, []),
                "model_sha256": model,
            }
            for number, wall_s, emulated_s, participants, missing, fidelity, model in rows
        ]
        return {
            **{name: entry[name] for name in names},
            "require": self.config().training.require,
            "missing": _absences(rounds),
            "rounds": rounds,
            "faults": self.faults(),
        }

    def cost(self) -> dict[str, Any]:
        """The document of `cost --json`. What a run did not measure (retransmissions on a kernel that does not tell
        them, drops in an older version's run) is not in it.
        """
        rounds: dict[int, _Sites] = {}
        for table, kind in (("ledger", "wire"), ("transfers", "payload")):
            columns = f"round, site, purpose, rx_{kind}, tx_{kind}"
            query = f"SELECT {columns} FROM {table} ORDER BY round, site"  # noqa: S608 - own names
            for number, site, purpose, rx, tx in self.connection.execute(query):
                purposes = rounds.setdefault(number, {}).setdefault(site, {p: dict(_NOTHING) for p in ALWAYS})
                purposes.setdefault(purpose, dict(_NOTHING))
                purposes[purpose] |= {f"rx_{kind}": rx, f"tx_{kind}": tx}
        marked = dict(self.connection.execute("SELECT round, fidelity FROM rounds"))
        for number, site, purpose, *again in self._later("retransmissions"):
            if purpose in rounds[number][site]:  # studies are told of only where some were sent
                rounds[number][site][purpose] |= dict(zip(_AGAIN, again, strict=True))
        drops: dict[int, dict[str, dict[str, int]]] = {}
        for number, site, *counts in self._later("drops"):
            drops.setdefault(number, {})[site] = dict(zip(_DROPS, counts, strict=True))
        lost = self._lost()
        wasted = sum(
            c["rx_wire"] + c["tx_wire"] for one in lost for site in one["sites"].values() for c in site.values()
        )
        return {
            "run": self._one("SELECT id FROM run"),
            "total_wire_bytes": self._one("SELECT coalesce(sum(rx_wire + tx_wire), 0) FROM ledger") + wasted,
            "rounds": [
                {
                    "round": number,
                    "sites": sites,
                    "fidelity": marked[number],
                    **({"drops": drops[number]} if number in drops else {}),
                }
                for number, sites in sorted(rounds.items())
            ],
            "lost": lost,
        }

    def _lost(self) -> list[dict[str, Any]]:
        """Wire bytes of rounds that were interrupted and begun again, by the round before which they lie."""
        found: dict[int, _Sites] = {}
        for before_round, site, purpose, rx, tx, *_ in self._later("lost"):
            counts = (
                found.setdefault(before_round, {})
                .setdefault(site, {})
                .setdefault(purpose, {"rx_wire": 0, "tx_wire": 0})
            )
            counts["rx_wire"] += rx
            counts["tx_wire"] += tx
        return [{"before_round": number, "sites": sites} for number, sites in sorted(found.items())]

    def _later(self, table: str) -> list[tuple[Any, ...]]:
        """The rows of a table that an older version's run does not have."""
        there = self._one(f"SELECT count(*) FROM sqlite_master WHERE name = '{table}'")  # noqa: S608 - own names
        return self.connection.execute(f"SELECT * FROM {table}").fetchall() if there else []  # noqa: S608 - own names

    def pulls(self) -> list[dict[str, Any]]:
        """Every study that came from a PACS: the round, the site, and the fields of `Fetched`. None of a run that an
        older version made.
        """
        return [dict(zip(_PULL, row, strict=True)) for row in self._later("pulls")]

    def events(self) -> tuple[Event, ...]:
        """What happened, in its order, as `trainer.record.log` writes it. Raises `RunDamaged`."""
        return read(self.folder / files.EVENTS)

    def faults(self) -> list[dict[str, Any]]:
        """Every fault of the run's scenario, in the order in which they happened."""
        rows = [dict(zip(_FAULT, row, strict=True)) for row in self._later("faults")]
        read = [{**row, "on": json.loads(row["on"]), "settings": json.loads(row["settings"])} for row in rows]
        return sorted(read, key=lambda fault: (fault["emulated_s"], fault["started"]))

    def topology(self) -> Topology:
        """The topology that it ran on."""
        return revive((self.folder / files.TOPOLOGY).read_text())

    def config(self) -> LaunchConfig:
        """What it was started with."""
        return LaunchConfig.model_validate_json((self.folder / files.CONFIG).read_text())

    def versions(self) -> dict[str, str]:
        """What it was made by (`trainer.record.versions`)."""
        return dict(json.loads(self._one("SELECT versions FROM run")))

    def close(self) -> None:
        """Let go of the database."""
        self.connection.close()

    def _metrics(self) -> dict[int, dict[str, float]]:
        found: dict[int, dict[str, float]] = {}
        for number, name, value in self.connection.execute("SELECT round, name, value FROM metrics WHERE site = ''"):
            found.setdefault(number, {})[name] = value
        return found

    def _attendance(self) -> dict[tuple[int, str], dict[str, str]]:
        """Who was late or back, by round and which of the two, and why."""
        found: dict[tuple[int, str], dict[str, str]] = {}
        for number, site, how, why in self._later("attendance"):
            found.setdefault((number, how), {})[site] = why
        return found

    def _findings(self) -> dict[int, list[dict[str, Any]]]:
        """What each round's fidelity rests on, as it was written."""
        names = ("reason", "place", "figure", "asked", "bound", "exceeded", "said")
        found: dict[int, list[dict[str, Any]]] = {}
        query = f"SELECT round, {', '.join(names)} FROM fidelity ORDER BY rowid"  # noqa: S608 - names of our own
        for number, *values in self.connection.execute(query):
            entry = dict(zip(names, values, strict=True))
            found.setdefault(number, []).append({**entry, "exceeded": bool(entry["exceeded"])})
        return found

    def _one(self, query: str) -> Any:
        return self.connection.execute(query).fetchone()[0]


def _absences(rounds: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for entry in rounds:
        for site, why in entry["missing"].items():
            numbers = found.get(site, {"rounds": []})["rounds"]
            found[site] = {"rounds": [*numbers, entry["round"]], "why": why}
    return dict(sorted(found.items()))


def runs(home: Path) -> list[dict[str, Any]]:
    """All runs of a home, the newest first: `run`, `world`, `state`, `task`, `algorithm`, `seed`, `started`,
    `rounds` and more.
    """
    found = []
    for folder in _newest_first(home):
        try:
            run = Run(folder)
        except NoRun:
            continue
        found.append(run.entry())
        run.close()
    return found


def _runs_folder(home: Path) -> Path:
    return home / "runs"


def _newest_first(home: Path) -> list[Path]:
    """Folders of runs; their names begin with their time."""
    folder = _runs_folder(home)
    return sorted((path for path in folder.iterdir() if path.is_dir()), reverse=True) if folder.is_dir() else []
