"""SSH keys of a world: one pair that opens all its guests, and each guest's own."""

from pathlib import Path

from emulator.machines.vm.identity import KeyPair, key_pair
from emulator.places import pacs_address
from emulator.topology.resolved import Site

_FOLDER = "machines"


def folder_of(world: Path) -> Path:
    """Where they lie: `key` and `key.pub`, and `hosts/SITE` with each guest's public key as a line of `known_hosts`."""
    return world / _FOLDER


def authorized(world: Path) -> str:
    """The public key that all guests of a world let in; made the first time that it is asked for."""
    folder = folder_of(world)
    public = folder / "key.pub"
    if not public.exists():
        folder.mkdir(exist_ok=True, mode=0o700)
        pair = key_pair()
        (folder / "key").touch(mode=0o600)
        (folder / "key").write_text(pair.private)
        public.write_text(pair.public + "\n")
    return public.read_text().strip()


def host_key(world: Path, site: Site) -> KeyPair:
    """A fresh key for a site's guest, which from now on is known by it."""
    pair = key_pair()
    known = folder_of(world) / "hosts"
    known.mkdir(exist_ok=True)
    (known / site.name).write_text(f"{pacs_address(site.index)},pacs.{site.name} {pair.public}\n")
    return pair


def known_hosts(world: Path) -> str:
    """The text of a `known_hosts` file for all guests."""
    return "".join(path.read_text() for path in sorted((folder_of(world) / "hosts").glob("*")))
