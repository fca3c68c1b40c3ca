"""A baked cohort on disk: `KEY/storage/` for the PACS, `manifest.json` that tells whether it is whole, `files.txt`
for the full check."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from nodes.pacs import PacsAnswer

# What a server finds its files by: Orthanc, dcmqrscp, qrscp, tiny-pacs, dcmjs-dimse. Others are checked by files alone.
_INDEXES = ("index", "index.dat", "qrscp.sqlite", "tiny-pacs.sqlite", "index.jsonl")
_SAMPLED = 8


@dataclass(frozen=True)
class Manifest:
    """What a whole entry must look like."""

    site: str
    server: str
    studies: int
    instances: int
    files: int
    bytes: int
    index_bytes: int
    index_mtime_ns: int
    index_sha256: str
    sample: dict[str, int]  # some files and their sizes, for the quick look at every `up`


def storage_of(entry: Path) -> Path:
    """The folder that the PACS gets as its lower layer."""
    return entry / "storage"


def seal(entry: Path, site: str, answer: PacsAnswer) -> None:
    """Write the manifest of an entry that a server has just filled."""
    storage = storage_of(entry)
    digests = dict(_digests(storage))
    (entry / "files.txt").write_text("".join(f"{digest} {size} {name}\n" for name, (digest, size) in digests.items()))
    found = next((name for name in _INDEXES if name in digests), "")
    index = (storage / found).stat() if found else None
    names = list(digests)
    manifest = Manifest(
        site=site,
        server=answer.version,
        studies=answer.studies,
        instances=answer.instances,
        files=len(digests),
        bytes=sum(size for _, size in digests.values()),
        index_bytes=index.st_size if index else 0,
        index_mtime_ns=index.st_mtime_ns if index else 0,
        index_sha256=digests[found][0] if index else "",
        sample={name: digests[name][1] for name in names[:: max(1, len(names) // _SAMPLED)]},
    )
    (entry / "manifest.json").write_text(json.dumps(asdict(manifest), indent=1))


def _digests(storage: Path) -> Iterator[tuple[str, tuple[str, int]]]:
    for path in sorted(storage.rglob("*")):
        if path.is_file():
            content = path.read_bytes()
            yield path.relative_to(storage).as_posix(), (hashlib.sha256(content).hexdigest(), len(content))


def damage(entry: Path) -> str | None:
    """The quick look (microseconds): what is wrong with an entry, or None.

    It reads the index only if its date has changed.
    """
    try:
        manifest = Manifest(**json.loads((entry / "manifest.json").read_text()))
    except (OSError, ValueError, TypeError) as error:
        return f"its manifest cannot be read ({error})"
    storage = storage_of(entry)
    for name, size in manifest.sample.items():
        problem = _wrong_size(storage / name, size)
        if problem:
            return problem
    return _index_damage(storage, manifest) if manifest.index_sha256 else None


def _index_damage(storage: Path, manifest: Manifest) -> str | None:
    index = next((storage / name for name in _INDEXES if (storage / name).exists()), storage / "index")
    problem = _wrong_size(index, manifest.index_bytes)
    if problem or index.stat().st_mtime_ns == manifest.index_mtime_ns:
        return problem
    if hashlib.sha256(index.read_bytes()).hexdigest() != manifest.index_sha256:
        return "its index has been changed"
    return None


def _wrong_size(path: Path, size: int) -> str | None:
    try:
        found = path.stat().st_size
    except OSError:
        return f"{path.name} is missing"
    return None if found == size else f"{path.name} has {found} bytes, not {size}"


def full_damage(entry: Path) -> str | None:
    """The full check: reads every file. What is wrong with an entry, or None."""
    problem = damage(entry)
    if problem:
        return problem
    wanted = {}
    for line in (entry / "files.txt").read_text().splitlines():
        digest, size, name = line.split(" ", 2)
        wanted[name] = (digest, int(size))
    found = dict(_digests(storage_of(entry)))
    for name in sorted(wanted.keys() | found.keys()):
        if wanted.get(name) != found.get(name):
            what = "is missing" if name not in found else "is changed" if name in wanted else "should not be there"
            return f"{name} {what}"
    return None
