"""A run as one file, to be taken elsewhere: packed and unpacked whole, checked byte by byte.

A gzipped tar. First `manifest.json`: its format, the run's id, and each file's size and SHA-256; then the files. Paths
are relative to the run's folder, in the config too; passwords and keys of its PACS stay behind. The parcel's digest is
the SHA-256 of the manifest.
"""

import gzip
import hashlib
import io
import json
import re
import shutil
import sqlite3
import tarfile
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from trainer.config import LaunchConfig
from trainer.errors import ParcelDamaged, WrongState
from trainer.record import folder as files
from trainer.record.reader import Run

FORMAT = 1
_MANIFEST = "manifest.json"
_MOST_MANIFEST_BYTES = 2**26
_NAME = re.compile(r"(models/)?[0-9A-Za-z][0-9A-Za-z._-]*")
_RUN = re.compile(r"[0-9A-Za-z][0-9A-Za-z-]{0,63}")
_ALWAYS = (files.TOPOLOGY, files.CONFIG, files.DATABASE)
_BESIDES = (files.EVENTS, "pacs.json")
_CHUNK = 1 << 20


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    bytes: int
    sha256: str


class _Manifest(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    format: int
    run: str
    files: dict[str, _Entry]


def pack(run: Run, target: Path) -> str:
    """Writes a run into one file, whole or not at all; the parcel's digest. Raises `WrongState` while it is trained."""
    if run.state == "running":
        raise WrongState(f"run {run.folder.name} is being trained; export it when it has ended")
    draft = target.with_name(target.name + ".part")
    try:
        with tempfile.TemporaryDirectory(dir=run.folder, prefix=".export-") as made, draft.open("wb") as file:
            digest = _pack(run.folder, _parts(run, Path(made)), file)
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
    return digest


def _parts(run: Run, made: Path) -> dict[str, Path]:
    """What goes in, by its name there. The config and the database are copies: one without paths, one in one file."""
    (made / files.CONFIG).write_text(_portable(run.config()).model_dump_json(indent=2))
    copy = sqlite3.connect(made / files.DATABASE)
    run.connection.backup(copy)
    copy.execute("PRAGMA journal_mode = DELETE")
    copy.close()
    folder = run.folder
    besides = {name: folder / name for name in (files.TOPOLOGY, *_BESIDES) if (folder / name).exists()}
    models = {f"{files.MODELS}/{path.name}": path for path in sorted((folder / files.MODELS).iterdir())}
    own = {name: made / name for name in (files.CONFIG, files.DATABASE)}
    return {**besides, **own, **{name: path for name, path in models.items() if not name.endswith(".part")}}


def _portable(config: LaunchConfig) -> LaunchConfig:
    sites = tuple(
        site.model_copy(
            update={
                "cache_folder": Path("workers") / site.name,
                "endpoint": replace(site.endpoint, login=None, web_tls=None, dimse_tls=None),
            }
        )
        for site in config.sites
    )
    paths = {"run_folder": Path(), "topology_path": Path(files.TOPOLOGY), "world_folder": None, "central": None}
    return config.model_copy(update={**paths, "sites": sites})


def _pack(folder: Path, parts: Mapping[str, Path], file: IO[bytes]) -> str:
    entries = {name: _Entry(bytes=path.stat().st_size, sha256=_sha256(path)) for name, path in parts.items()}
    manifest = _Manifest(format=FORMAT, run=folder.name, files=entries).model_dump_json(indent=1).encode()
    # Times and owners are left out, so that the same run makes the same file.
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0, compresslevel=6) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        _put(tar, _MANIFEST, io.BytesIO(manifest), len(manifest))
        for name, path in parts.items():
            with path.open("rb") as content:
                _put(tar, name, content, entries[name].bytes)
    return hashlib.sha256(manifest).hexdigest()


def _put(tar: tarfile.TarFile, name: str, content: IO[bytes], size: int) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o600
    tar.addfile(info, content)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def unpack(parcel: Path, home: Path) -> tuple[str, str]:
    """Puts a run into a home's runs, whole or not at all; its id, and the parcel's digest. A run that is there already
    with the same content stays. Raises `ParcelDamaged` where the file is not as it was packed, `WrongState` where
    another run has that id.
    """
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home, prefix=".import-") as made, _reading(parcel) as tar:
        manifest, digest = _manifest(parcel, tar)
        folder = Path(made) / manifest.run
        (folder / files.MODELS).mkdir(parents=True)
        _take(parcel, tar, manifest, folder)
        target = home / "runs" / manifest.run
        if target.exists():
            _refuse_another(folder, target)
            return manifest.run, digest
        _settle(folder, target)
        target.parent.mkdir(exist_ok=True)
        shutil.move(folder, target)
    return manifest.run, digest


@contextmanager
def _reading(parcel: Path) -> Iterator[tarfile.TarFile]:
    """Whatever the file turns out to be meanwhile becomes `ParcelDamaged`. tarfile asks for no checksum: gzip does."""
    try:
        with gzip.open(parcel) as whole:
            while whole.read(_CHUNK):
                pass
        with tarfile.open(parcel, mode="r|gz") as tar:
            yield tar
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise _damaged(parcel, str(error) or type(error).__name__) from error


def _manifest(parcel: Path, tar: tarfile.TarFile) -> tuple[_Manifest, str]:
    first = tar.next()
    if first is None or first.name != _MANIFEST or first.size > _MOST_MANIFEST_BYTES:
        raise _damaged(parcel, f"it does not begin with {_MANIFEST}: no run was exported into it")
    text = _content(tar, first).read()
    try:
        manifest = _Manifest.model_validate_json(text)
    except ValidationError as error:
        raise _damaged(parcel, f"its {_MANIFEST} can't be read: {error.errors()[0]['msg']}") from error
    if manifest.format != FORMAT:
        raise _damaged(parcel, f"it has format {manifest.format}, and this version reads {FORMAT}")
    if not _RUN.fullmatch(manifest.run) or not all(map(_NAME.fullmatch, manifest.files)):
        raise _damaged(parcel, f"its {_MANIFEST} names what no run has")
    if lacking := [name for name in _ALWAYS if name not in manifest.files]:
        raise _damaged(parcel, f"{lacking[0]} is not in it")
    return manifest, hashlib.sha256(text).hexdigest()


def _take(parcel: Path, tar: tarfile.TarFile, manifest: _Manifest, folder: Path) -> None:
    left = dict(manifest.files)
    while (member := tar.next()) is not None:
        entry = left.pop(member.name, None)
        if entry is None or not member.isfile() or member.size != entry.bytes:
            raise _damaged(parcel, f"'{member.name}' is not what its {_MANIFEST} says")
        digest = hashlib.sha256()
        content = _content(tar, member)
        with (folder / member.name).open("wb") as file:
            while chunk := content.read(_CHUNK):
                digest.update(chunk)
                file.write(chunk)
        if digest.hexdigest() != entry.sha256:
            raise _damaged(parcel, f"'{member.name}' has another SHA-256 than its {_MANIFEST} says")
    if left:
        raise _damaged(parcel, f"'{next(iter(left))}' is missing from it")


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    content = tar.extractfile(member)
    return io.BytesIO() if content is None else content


def _settle(folder: Path, target: Path) -> None:
    """The config's paths become those of the run's new place."""
    config = LaunchConfig.model_validate_json((folder / files.CONFIG).read_text())
    sites = tuple(site.model_copy(update={"cache_folder": target / "workers" / site.name}) for site in config.sites)
    paths = {"run_folder": target, "topology_path": target / files.TOPOLOGY}
    (folder / files.CONFIG).write_text(config.model_copy(update={**paths, "sites": sites}).model_dump_json(indent=2))


def _refuse_another(folder: Path, target: Path) -> None:
    """The same run has the same rounds and models; its files may have been written anew meanwhile."""
    found = []
    for one in (folder, target):
        run = Run(one)
        found.append(_told(run))
        run.close()
    if found[0] != found[1]:
        raise WrongState(f"another run {target.name} is in {target.parent}; rename or remove it first")


def _told(run: Run) -> dict[str, Any]:
    return {"started": run.entry()["started"], **json.loads(json.dumps(run.summary()))}


def _damaged(parcel: Path, why: str) -> ParcelDamaged:
    return ParcelDamaged(f"{parcel}: {why}; nothing was imported")
