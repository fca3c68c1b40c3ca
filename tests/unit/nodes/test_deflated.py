import struct
import zlib

import pytest

from nodes.dicom.deflated import inflates_beyond


def deflated(content: bytes, before: bytes = b"") -> bytes:
    """A file that says so in its head, behind `before`."""
    syntax = b"1.2.840.10008.1.2.1.99"
    head = before + struct.pack("<HH2sH", 2, 0x10, b"UI", len(syntax)) + syntax
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    length = struct.pack("<HH2sHI", 2, 0, b"UL", 4, len(head))
    return bytes(128) + b"DICM" + length + head + packer.compress(content) + packer.flush()


@pytest.mark.parametrize("before", [b"", bytes(100_000)], ids=["at once", "far behind"])
def test_what_becomes_too_large_is_found_wherever_the_head_says_that_it_is_deflated(before: bytes) -> None:
    data = deflated(bytes(5_000_000), before)
    assert inflates_beyond(data, 4_000_000)
    assert inflates_beyond(memoryview(data), 4_000_000)
    assert not inflates_beyond(data, 5_000_000)


def test_other_files_are_not_tried() -> None:
    data = deflated(bytes(5_000_000)).replace(b"1.2.840.10008.1.2.1.99", b"1.2.840.10008.1.2.1.00")
    assert not inflates_beyond(data, 1000)


def test_a_file_that_says_that_it_is_deflated_and_is_not_raises() -> None:
    data = deflated(b"")
    with pytest.raises(zlib.error):
        inflates_beyond(data[:-2] + b"\xff" * 100, 1000)
