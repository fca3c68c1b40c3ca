"""The tables of `run.sqlite`. SI units; `rx` and `tx` are seen from the site; times of day are UTC, ISO 8601."""

SCHEMA = """
CREATE TABLE run (
    id TEXT NOT NULL, world TEXT NOT NULL, state TEXT NOT NULL, task TEXT NOT NULL, algorithm TEXT NOT NULL,
    seed INTEGER NOT NULL, started TEXT NOT NULL, ended TEXT, model_sha256 TEXT, versions TEXT NOT NULL, -- JSON
    rounds_asked INTEGER NOT NULL, why TEXT
);
CREATE TABLE rounds (
    round INTEGER PRIMARY KEY, started TEXT NOT NULL, wall_s REAL NOT NULL, emulated_s REAL NOT NULL,
    emulated_end_s REAL NOT NULL, model_sha256 TEXT NOT NULL, fidelity TEXT NOT NULL,
    participants TEXT NOT NULL, missing TEXT NOT NULL -- JSON: [site], {site: why}
);
CREATE TABLE metrics (
    round INTEGER NOT NULL, site TEXT NOT NULL, name TEXT NOT NULL, value REAL NOT NULL, -- site '': over all
    PRIMARY KEY (round, site, name)
) WITHOUT ROWID;
CREATE TABLE times (
    round INTEGER NOT NULL, site TEXT NOT NULL, phase TEXT NOT NULL, seconds REAL NOT NULL,
    emulated INTEGER NOT NULL, -- 0: really took that long, 1: modelled by the compute profile
    PRIMARY KEY (round, site, phase)
) WITHOUT ROWID;
CREATE TABLE transfers (
    round INTEGER NOT NULL, site TEXT NOT NULL, purpose TEXT NOT NULL, rx_payload INTEGER NOT NULL,
    tx_payload INTEGER NOT NULL, PRIMARY KEY (round, site, purpose)
) WITHOUT ROWID;
CREATE TABLE ledger (
    round INTEGER NOT NULL, site TEXT NOT NULL, purpose TEXT NOT NULL, rx_wire INTEGER NOT NULL,
    tx_wire INTEGER NOT NULL, rx_packets INTEGER NOT NULL, tx_packets INTEGER NOT NULL,
    PRIMARY KEY (round, site, purpose)
) WITHOUT ROWID;
CREATE TABLE fidelity (
    round INTEGER NOT NULL, reason TEXT NOT NULL, place TEXT NOT NULL, -- a site, or '': the whole world
    figure REAL NOT NULL, asked REAL, bound REAL, exceeded INTEGER NOT NULL, said TEXT NOT NULL
);
"""

# Tables that came later: a run that an older version began gets them when it goes on, and may be read without them.
LATER = """
CREATE TABLE IF NOT EXISTS retransmissions ( -- wire bytes, by the sender's TCP; rx_repeated: those that came twice
    round INTEGER NOT NULL, site TEXT NOT NULL, purpose TEXT NOT NULL, rx_retransmitted INTEGER NOT NULL,
    tx_retransmitted INTEGER NOT NULL, rx_repeated INTEGER NOT NULL, PRIMARY KEY (round, site, purpose)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS drops ( -- packets, by the router: on the line as asked, and at queues that were full
    round INTEGER NOT NULL, site TEXT NOT NULL, rx_lost INTEGER NOT NULL, tx_lost INTEGER NOT NULL,
    rx_overflowed INTEGER NOT NULL, tx_overflowed INTEGER NOT NULL, PRIMARY KEY (round, site)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pulls ( -- each study that came from a PACS; rx and tx are payload (nodes/fetched.py)
    round INTEGER NOT NULL, site TEXT NOT NULL, study TEXT NOT NULL, way TEXT NOT NULL, why TEXT NOT NULL,
    instances INTEGER NOT NULL, rx INTEGER NOT NULL, tx INTEGER NOT NULL, retries INTEGER NOT NULL,
    doubled INTEGER NOT NULL, seconds REAL NOT NULL, fate TEXT NOT NULL, remark TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS faults ( -- of the run's scenario; times on the run's clock; places and settings are JSON
    id TEXT PRIMARY KEY, round INTEGER NOT NULL, fault TEXT NOT NULL, places TEXT NOT NULL, settings TEXT NOT NULL,
    happened TEXT NOT NULL, started TEXT NOT NULL, emulated_s REAL NOT NULL, for_s REAL, refused TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lost ( -- traffic of rounds that were interrupted and begun again
    before_round INTEGER NOT NULL, site TEXT NOT NULL, purpose TEXT NOT NULL, rx_wire INTEGER NOT NULL,
    tx_wire INTEGER NOT NULL, rx_packets INTEGER NOT NULL, tx_packets INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS attendance ( -- beside who was missing: whose update came late, and who was back
    round INTEGER NOT NULL, site TEXT NOT NULL, how TEXT NOT NULL, -- late, back
    why TEXT NOT NULL, PRIMARY KEY (round, site, how)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS mark ( -- the world's counters when the last whole round ended
    world TEXT NOT NULL, site TEXT NOT NULL, purpose TEXT NOT NULL, rx_wire INTEGER NOT NULL,
    tx_wire INTEGER NOT NULL, rx_packets INTEGER NOT NULL, tx_packets INTEGER NOT NULL,
    PRIMARY KEY (site, purpose)
) WITHOUT ROWID;
"""

ALWAYS = ("pull", "model", "update", "control")
"""Purposes that are told of every site in every round; `studies` (sent to the hub) only where there were some."""
