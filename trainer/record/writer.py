"""Writing a run's record. A kill at any moment loses at most the round that was on.

Events are written ahead: what an event tells happens after its line is in the log, and all lines of a round are on the
disk before the round is closed.
"""

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Literal, Self

from emulator.writing import write_whole
from trainer.config import LaunchConfig
from trainer.errors import CannotResume
from trainer.record import folder as files
from trainer.record import versions
from trainer.record.log import Event, Log, read, utc_now
from trainer.record.rounds import Bytes, Happened, Lost, Mark, RoundRecord
from trainer.record.schema import LATER, SCHEMA
from trainer.weights import sha256


@dataclass(frozen=True)
class Last:
    """The last whole round. `emulated_end_s` counts from the beginning of the run. `missing` says who, and why."""

    round: int
    model_sha256: str
    emulated_end_s: float
    missing: Mapping[str, str]


def prepare(config: LaunchConfig) -> None:
    """Makes the folder of a new run, or makes sure that an old one can go on with this config.

    Raises `CannotResume` where it is done, was started with other settings, or is there though a new one was
    asked for, and `RunDamaged` where its log was changed.
    """
    folder = config.run_folder
    begun = (folder / files.DATABASE).exists() and _state(folder) is not None
    if begun:
        _refuse_unresumable(config)
        read(folder / files.EVENTS)
        return
    (folder / files.MODELS).mkdir(parents=True, exist_ok=True)
    if (source := config.topology_path).resolve() != (folder / files.TOPOLOGY).resolve():
        write_whole(folder / files.TOPOLOGY, source.read_bytes())
    write_whole(folder / files.CONFIG, config.model_dump_json(indent=2).encode())
    _begin(config)


def _begin(config: LaunchConfig) -> None:
    for leftover in config.run_folder.glob(files.DATABASE + "*"):  # of a start that was killed
        leftover.unlink()
    database = sqlite3.connect(config.run_folder / files.DATABASE, isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    training = config.training
    row = (
        config.run_folder.name,
        config.world,
        "running",
        training.task,
        training.algorithm,
        config.seed,
        utc_now(),
        json.dumps(versions.here()),
        training.rounds,
    )
    database.executescript(f"BEGIN; {SCHEMA}")
    database.execute(
        "INSERT INTO run (id, world, state, task, algorithm, seed, started, versions, rounds_asked)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        row,
    )
    database.execute("COMMIT")
    database.close()


def _state(folder: Path) -> str | None:
    """The state of a run that has begun, else None."""
    database = sqlite3.connect(folder / files.DATABASE)
    try:
        row = database.execute("SELECT state FROM run").fetchone()
    except sqlite3.OperationalError:  # no table yet
        return None
    finally:
        database.close()
    return None if row is None else str(row[0])


def _refuse_unresumable(config: LaunchConfig) -> None:
    folder = config.run_folder
    if not config.resume:
        raise CannotResume(f"run {folder.name} is there already; go on with it by --resume {folder.name}")
    if _state(folder) == "done":
        raise CannotResume(f"run {folder.name} is done; there is nothing to go on with")
    before = LaunchConfig.model_validate_json((folder / files.CONFIG).read_text())
    differ = [
        f"{what} was {old}, now {new}"
        for what, old, new in (
            ("seed", before.seed, config.seed),
            ("training", before.training, config.training),
            ("sites", [s.name for s in before.sites], [s.name for s in config.sites]),
        )
        if old != new
    ]
    if (folder / files.TOPOLOGY).read_bytes() != config.topology_path.read_bytes():
        differ.append("the topology is another one")
    if differ:
        raise CannotResume(f"run {folder.name} can't go on with other settings: {'; '.join(differ)}")


class Writer:
    """The one writer of a prepared run. A context manager. Raises `RunDamaged` where its log was changed.

    `emulated` tells where the emulated clock stands (s), for the events; None: nowhere yet.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.emulated: Callable[[], float | None] = lambda: None

    def __enter__(self) -> Self:
        self._log = Log(self._folder / files.EVENTS)
        self._database = sqlite3.connect(self._folder / files.DATABASE, isolation_level=None)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        self._database.executescript(LATER)
        self._database.execute("UPDATE run SET state = 'running', ended = NULL, why = NULL")
        return self

    def __exit__(self, *_: object) -> None:
        self._log.close()
        self._database.close()

    @property
    def events(self) -> tuple[Event, ...]:
        """The events that were there when this writer began."""
        return self._log.events

    @property
    def torn(self) -> int:
        """Bytes of the log that were torn, and are cut off."""
        return self._log.torn

    @property
    def last(self) -> Last | None:
        """The last whole round; None before the first."""
        row = self._database.execute(
            "SELECT round, model_sha256, emulated_end_s, missing FROM rounds ORDER BY round DESC LIMIT 1"
        ).fetchone()
        return None if row is None else Last(row[0], row[1], row[2], json.loads(row[3]))

    @property
    def mark(self) -> Mark | None:
        """The world's counters where counting stands; None before it has begun."""
        rows = self._database.execute("SELECT * FROM mark").fetchall()
        return Mark(rows[0][0], tuple(Bytes(*row[1:]) for row in rows)) if rows else None

    def begin_counting(self, mark: Mark, before_round: int, lost: Lost | None) -> None:
        """Counting starts at `mark`; what was `lost` until then is kept beside the rounds."""
        with self._transaction():
            if lost is not None:
                self._put("lost", [_wire_row(before_round, count) for count in lost.wire])
            self._set_mark(mark)

    def event(self, event: str, *, durable: bool = False, **fields: object) -> None:
        """Appends one event to the log, with its number and its times; `durable`: it is on the disk on return."""
        self._log.add(event, **{"emulated_s": _rounded(self.emulated()), **fields})
        if durable:
            self._log.sync()

    def keep(self, data: bytes, kind: Literal["safetensors", "json"] = "safetensors") -> str:
        """Keeps a model's file under its SHA-256, which it returns."""
        name = sha256(data)
        path = self._folder / files.MODELS / f"{name}.{kind}"
        if not path.exists():
            write_whole(path, data)
        return name

    def kept(self, name: str, kind: Literal["safetensors", "json"] = "safetensors") -> bytes:
        """The file of a model that was kept. Raises `CannotResume` where it is gone or damaged."""
        path = self._folder / files.MODELS / f"{name}.{kind}"
        data = path.read_bytes() if path.exists() else b""
        if sha256(data) != name:
            raise CannotResume(f"{path} is {'damaged' if data else 'gone'}; the run can't go on without it")
        return data

    def close_round(self, kept: RoundRecord) -> None:
        """Keeps one whole round, at once and for good."""
        self._log.sync()
        with self._transaction():
            self._put("rounds", [_round_row(kept)])
            self._put("metrics", _metric_rows(kept))
            self._put("times", [(kept.number, t.site, t.phase, t.seconds, int(t.modelled)) for t in kept.times])
            self._put("transfers", [(kept.number, b.site, b.purpose, b.rx, b.tx) for b in kept.payload])
            self._put("ledger", [_wire_row(kept.number, b) for b in kept.wire])
            self._put("retransmissions", [(kept.number, *astuple(resent)) for resent in kept.resent])
            self._put("drops", [(kept.number, *astuple(dropped)) for dropped in kept.drops])
            self._put("fidelity", [(kept.number, *astuple(finding)) for finding in kept.findings])
            self._put("pulls", [(kept.number, pull.site, *astuple(pull.fetched)) for pull in kept.pulls])
            self._put("attendance", _attendance_rows(kept))
            self._put("faults", [_fault_row(kept.number, fault) for fault in kept.faults])
            if kept.mark is not None:
                self._set_mark(kept.mark)
            self._database.execute("UPDATE run SET model_sha256 = ?", (kept.model_sha256,))

    def end(self, state: Literal["done", "interrupted", "failed"], why: str | None = None) -> None:
        """How the run ended."""
        self._database.execute("UPDATE run SET state = ?, ended = ?, why = ?", (state, utc_now(), why))
        self.event("ended", state=state, why=why)

    def _set_mark(self, mark: Mark) -> None:
        self._database.execute("DELETE FROM mark")
        self._put("mark", [(mark.world, *astuple(count)) for count in mark.counted])

    def _put(self, table: str, rows: list[tuple[object, ...]]) -> None:
        if rows:
            places = ", ".join("?" * len(rows[0]))
            self._database.executemany(f"INSERT INTO {table} VALUES ({places})", rows)  # noqa: S608 - own names

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 6)


def _round_row(kept: RoundRecord) -> tuple[object, ...]:
    return (
        kept.number,
        kept.started,
        kept.wall_s,
        kept.emulated_s,
        kept.emulated_end_s,
        kept.model_sha256,
        kept.fidelity,
        json.dumps(list(kept.participants)),
        json.dumps(dict(kept.missing)),
    )


def _metric_rows(kept: RoundRecord) -> list[tuple[object, ...]]:
    return [(kept.number, site, name, value) for site, values in kept.metrics.items() for name, value in values.items()]


def _attendance_rows(kept: RoundRecord) -> list[tuple[object, ...]]:
    both = (("late", kept.late), ("back", kept.back))
    return [(kept.number, site, how, why) for how, sites in both for site, why in sites.items()]


def _fault_row(number: int, fault: Happened) -> tuple[object, ...]:
    what = (fault.fault, json.dumps(fault.on), json.dumps(dict(fault.settings)), fault.trigger)
    return (fault.id, number, *what, fault.started, fault.emulated_s, fault.for_s, fault.refused)


def _wire_row(number: int, count: Bytes) -> tuple[object, ...]:
    return (number, count.site, count.purpose, count.rx, count.tx, count.rx_packets, count.tx_packets)
