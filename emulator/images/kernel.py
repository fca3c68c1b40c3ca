"""A distribution's kernel as an uncompressed ELF file, which QEMU starts at its PVH entry without unpacking it."""

import struct
import subprocess

from emulator.errors import CannotHere

_SETUP_SECTORS = 0x1F1  # offsets of the header: Documentation/arch/x86/boot.rst, protocol 2.08
_PAYLOAD = 0x248
_ELF = b"\x7fELF"
# How a payload begins, the program that unpacks it, and its package.
_PACKED = {
    b"\x02\x21\x4c\x18": ("lz4", "lz4"),
    b"\x28\xb5\x2f\xfd": ("zstd", "zstd"),
    b"\xfd7zX": ("xz", "xz-utils"),
}
_SIZE_BYTES = 4  # appended by the kernel's build; no part of the compressed stream


def uncompressed(bzimage: bytes) -> bytes:
    """The ELF image within a bzImage. Raises `CannotHere` where it is packed in a way that is not known here."""
    sectors = bzimage[_SETUP_SECTORS] or 4
    offset, length = struct.unpack_from("<II", bzimage, _PAYLOAD)
    start = (sectors + 1) * 512 + offset
    image = _unpacked(bzimage[start : start + length])
    if not image.startswith(_ELF):
        raise CannotHere("the guest's kernel unpacks to something that is no ELF file")
    return image


def _unpacked(payload: bytes) -> bytes:
    if payload[:4] not in _PACKED:
        raise CannotHere(f"the guest's kernel is packed in a way that is not known here: it begins {payload[:4].hex()}")
    program, package = _PACKED[payload[:4]]
    try:
        unpacking = subprocess.run(
            [program, "-dc"], input=payload[:-_SIZE_BYTES], capture_output=True, timeout=60, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise CannotHere(f"the guest's kernel can't be unpacked ({error}): apt-get install {package}") from error
    return unpacking.stdout
