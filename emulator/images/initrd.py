"""The initrd: the guest's program, and the few kernel modules without which it would not see its root."""

import lzma
from collections.abc import Iterator, Sequence
from pathlib import Path

from emulator.errors import CannotHere

# What a guest must have before its root is mounted, and what must be there before its memory is copied.
WANTED = ("virtio_pci", "virtio_blk", "ext4", "overlay", "virtio_console", "virtio_net", "virtio_rng", "vmgenid")
_OPTIONAL = {"vmgenid"}  # not a module everywhere
_FOLDER, _PROGRAM, _PLAIN = 0o040755, 0o100755, 0o100644


def initrd(program: bytes, modules: Path) -> bytes:
    """An uncompressed cpio archive. `modules`: the tree's folder /lib/modules/VERSION, after depmod."""
    paths = needed(modules, WANTED)
    listed = "".join(f"{_name(path)}\n" for path in paths).encode()
    entries = [
        _entry("lib", _FOLDER, b"", 1),
        _entry("init", _PROGRAM, program, 2),
        _entry("modules", _PLAIN, listed, 3),
        *(_entry(f"lib/{_name(path)}", _PLAIN, _image(path), 4 + n) for n, path in enumerate(paths)),
        _entry("TRAILER!!!", 0, b"", 0),
    ]
    return b"".join(entries)


def needed(modules: Path, wanted: Sequence[str]) -> list[Path]:
    """The files of these modules and of all that they depend on, in an order in which they can be loaded."""
    depends = dict(_dependencies(modules))
    by_name = {_module(path): path for path in depends}
    builtin = {_module(line) for line in (modules / "modules.builtin").read_text().splitlines()}
    ordered: dict[str, None] = {}
    for name in wanted:
        if name in by_name:
            # depmod writes a module's needs with the deepest last
            ordered.update(dict.fromkeys([*reversed(depends[by_name[name]]), by_name[name]]))
        elif name not in builtin and name not in _OPTIONAL:
            raise CannotHere(f"the guest's kernel {modules.name} has no module {name}")
    return [modules / path for path in ordered]


def _dependencies(modules: Path) -> Iterator[tuple[str, list[str]]]:
    for line in (modules / "modules.dep").read_text().splitlines():
        path, _, needs = line.partition(":")
        yield path, needs.split()


def _module(path: str) -> str:
    return Path(path).name.partition(".ko")[0].replace("-", "_")


def _name(path: Path) -> str:
    return path.name.removesuffix(".xz")


def _image(path: Path) -> bytes:
    return lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()


def _entry(name: str, mode: int, content: bytes, inode: int) -> bytes:
    """One file in the format that the kernel calls newc (driver-api/early-userspace/buffer-format.rst)."""
    fields = (inode, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0)
    head = b"070701" + b"".join(b"%08x" % field for field in fields) + name.encode() + b"\0"
    return _padded(head) + _padded(content)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)
