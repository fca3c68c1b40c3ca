"""idx files (MNIST, Fashion-MNIST) as multi-frame secondary captures: a study holds pictures of one class.

Format: LeCun, Cortes, Burges, "The MNIST database", http://yann.lecun.com/exdb/mnist/.
"""

import gzip
import hashlib
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, Final, cast

from pydicom.dataset import Dataset
from pydicom.uid import MultiFrameGrayscaleByteSecondaryCaptureImageStorage

from nodes.dicom.encoding import element, files
from nodes.dicom.labels import code
from nodes.imports.converted import Series, own_name
from nodes.imports.findings import Instance, LeftOut, Source

SCHEME: Final = "99IDX"
_PICTURES_A_STUDY: Final = 100
_IMAGES: Final = re.compile(r"(?P<set>.+)-images-idx3-ubyte(\.gz)?")
_LABELS: Final = re.compile(r".+-labels-idx1-ubyte(\.gz)?")
_MOST_SIDE: Final = 4096
_MOST_PICTURES: Final = 1 << 24
_GATHERED_BYTES: Final = 64 * 2**20
_FASHION: Final = (
    "T-shirt or top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
"""Xiao, Rasul, Vollgraf 2017, arXiv:1708.07747, table 2."""


def is_images(name: str) -> bool:
    """Whether a file is called as a set of images is."""
    return bool(_IMAGES.fullmatch(name))


def _set(name: str) -> str:
    found = _IMAGES.fullmatch(name)
    return found["set"] if found else name


def is_labels(name: str) -> bool:
    """Whether a file is called as the labels of such a set are."""
    return bool(_LABELS.fullmatch(name))


def with_labels(source: Source) -> Source:
    """A set of images changes with its labels too. Any other source stays as it is."""
    labels = _beside(source) if is_images(source.place.name) else None
    if labels is None:
        return source
    found = labels.stat()
    return replace(source, stamp=f"{source.stamp}+{found.st_size}:{found.st_mtime_ns}")


def convert(source: Source, dataset: str, _content: str) -> Iterator[tuple[Instance, bytes]]:
    """Every study of a set, one file each. Raises LeftOut, after some studies where the file proves to be cut."""
    try:
        yield from _studies(source, dataset)
    except (OSError, EOFError, zlib.error) as error:
        raise LeftOut(f"an idx file that cannot be read ({error})") from error


def _studies(source: Source, dataset: str) -> Iterator[tuple[Instance, bytes]]:
    labels = _labels(source)
    with _open(source.path) as file:
        count, rows, columns = _head(file, 3)
        if count != len(labels):
            raise LeftOut(f"{count:,} images, and {len(labels):,} labels beside them")
        if not (0 < rows <= _MOST_SIDE and 0 < columns <= _MOST_SIDE):
            raise LeftOut(f"images of {rows} × {columns} pixels; from 1 to {_MOST_SIDE} a side are imported")
        most = _pictures_a_study(rows * columns, len(set(labels)))
        gathered: dict[int, list[bytes]] = {}
        made: dict[int, int] = {}
        for label in labels:
            picture = file.read(rows * columns)
            if len(picture) < rows * columns:
                raise LeftOut("truncated: fewer images than it says")
            pictures = gathered.setdefault(label, [])
            pictures.append(picture)
            if len(pictures) == most:
                yield _study(source, dataset, label, made, gathered.pop(label), (rows, columns))
        if file.read(1):  # which also has gzip check all that was read
            raise LeftOut("damaged: more images than it says")
        for label, pictures in sorted(gathered.items()):
            yield _study(source, dataset, label, made, pictures, (rows, columns))


def _pictures_a_study(size: int, classes: int) -> int:
    """So few that what is gathered of all classes at the same time is bounded, however large pictures are."""
    return max(1, min(_PICTURES_A_STUDY, _GATHERED_BYTES // (size * max(1, classes))))


def _name_of_labels(source: Source) -> str:
    return source.place.name.replace("-images-idx3-", "-labels-idx1-").removesuffix(".gz")


def _beside(source: Source) -> Path | None:
    """The file of labels beside the images."""
    name = _name_of_labels(source)
    beside = (source.path.with_name(name + suffix) for suffix in (".gz", "")) if source.own else ()
    return next((path for path in beside if path.is_file()), None)


def _labels(source: Source) -> bytes:
    found = _beside(source)
    if found is None:
        name = _name_of_labels(source)
        raise LeftOut(f"its labels, {name} or {name}.gz, are not beside it")
    with _open(found) as file:
        (count,) = _head(file, 1)
        if count > _MOST_PICTURES:
            raise LeftOut(f"{found.name} says that it has {count:,} labels; up to {_MOST_PICTURES:,} are read")
        labels = file.read(count)
        if len(labels) < count or file.read(1):
            raise LeftOut(f"{found.name} has fewer or more labels than the {count:,} that it says; it may be truncated")
    return labels


def _open(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path)) if path.name.endswith(".gz") else path.open("rb")


def _head(file: BinaryIO, dimensions: int) -> tuple[int, ...]:
    head = file.read(4 + 4 * dimensions)
    if len(head) < 4 + 4 * dimensions or head[:4] != bytes((0, 0, 8, dimensions)):
        raise LeftOut(f"not an idx file of bytes in {dimensions} dimensions")
    return struct.unpack_from(f">{dimensions}I", head, 4)


def _study(
    source: Source, dataset: str, label: int, made: dict[int, int], pictures: list[bytes], shape: tuple[int, int]
) -> tuple[Instance, bytes]:
    made[label] = made.get(label, 0) + 1
    patient = f"{own_name(source.place.parent, _set(source.place.name))}-{label}-{made[label]:04d}"
    pixels = b"".join(pictures)
    digest = hashlib.sha256(pixels).hexdigest()
    series = Series(dataset, patient, patient, "", "OT", "Pictures of one class", digest)
    shared = series.dataset_of(str(MultiFrameGrayscaleByteSecondaryCaptureImageStorage), 1)
    names = _FASHION if "fashion" in source.name.casefold() else ()
    meaning = names[label] if label < len(names) else f"Class {label}"
    shared.AdmittingDiagnosesCodeSequence = [code(str(label), meaning, SCHEME)]
    _describe(shared, len(pictures), shape)
    sop = series.uid("frames")
    own = [element(0x00080018, "UI", sop), element(0x7FE00010, "OB", pixels)]
    return series.instance(sop, label=f"class-{label}"), files(shared, [own])[0]


def _describe(shared: Dataset, frames: int, shape: tuple[int, int]) -> None:
    """The modules of pixels and multi-frame (PS3.3, C.7.6.3, C.7.6.6, C.8.6)."""
    shared.ConversionType, shared.ImageType = "WSD", ["DERIVED", "SECONDARY"]
    shared.SamplesPerPixel, shared.PhotometricInterpretation = 1, "MONOCHROME2"
    shared.Rows, shared.Columns = shape
    shared.BitsAllocated, shared.BitsStored, shared.HighBit, shared.PixelRepresentation = 8, 8, 7, 0
    shared.NumberOfFrames, shared.InstanceNumber = frames, 1
    shared.PageNumberVector = list(range(1, frames + 1))
    shared.FrameIncrementPointer = 0x00182001
    shared.RescaleIntercept, shared.RescaleSlope, shared.RescaleType = 0, 1, "US"
    shared.PresentationLUTShape, shared.LossyImageCompression = "IDENTITY", "00"
    shared.PatientOrientation = ""
