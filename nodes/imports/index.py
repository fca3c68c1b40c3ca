"""The tables of a cohort's index, in SQLite."""

import shutil
import sqlite3
from pathlib import Path
from typing import Final

FORMAT: Final = 3
"""Raise it with every change of the tables, or of what images are called that were no DICOM: a cohort of another format
is imported again."""

INDEX, STUDIES = "index.sqlite", "studies"
_SCHEMA: Final = f"""
CREATE TABLE IF NOT EXISTS datasets (root TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS sources (
    name TEXT PRIMARY KEY, archive TEXT NOT NULL, stamp TEXT NOT NULL, content TEXT NOT NULL, why TEXT);
CREATE INDEX IF NOT EXISTS by_archive ON sources (archive);
CREATE INDEX IF NOT EXISTS by_content ON sources (content);
CREATE TABLE IF NOT EXISTS studies (
    uid TEXT PRIMARY KEY, patient TEXT NOT NULL, subject TEXT NOT NULL, dataset TEXT NOT NULL, image TEXT NOT NULL,
    day TEXT NOT NULL, own TEXT NOT NULL, label TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS by_subject_of_study ON studies (subject, dataset);
CREATE TABLE IF NOT EXISTS instances (
    uid TEXT PRIMARY KEY, study TEXT NOT NULL, series TEXT NOT NULL, modality TEXT NOT NULL, own TEXT NOT NULL,
    bytes INTEGER NOT NULL, sha256 TEXT NOT NULL, source TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS by_study ON instances (study, uid);
CREATE INDEX IF NOT EXISTS by_source ON instances (source);
CREATE TABLE IF NOT EXISTS diagnoses (
    source TEXT NOT NULL, dataset TEXT NOT NULL, subject TEXT NOT NULL, image TEXT NOT NULL, day TEXT NOT NULL,
    label TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS by_table ON diagnoses (source);
CREATE INDEX IF NOT EXISTS by_subject ON diagnoses (subject);
CREATE INDEX IF NOT EXISTS by_image ON diagnoses (image);
PRAGMA user_version = {FORMAT};
"""


def opened(folder: Path, writing: bool) -> sqlite3.Connection:
    """The index of the cohort in a folder; to be written, it is made where there is none, and anew where it is of
    another format, with all that it names."""
    path = folder / INDEX
    if not writing:
        return sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
    db = sqlite3.connect(path)
    if db.execute("PRAGMA user_version").fetchone()[0] != FORMAT:
        db.close()
        path.unlink()
        shutil.rmtree(folder / STUDIES, ignore_errors=True)
        db = sqlite3.connect(path)
    db.executescript(_SCHEMA)
    return db
