"""Transfer syntaxes: a file written another way, with nothing of its pixels lost."""

import io
from collections.abc import Mapping
from typing import Final

from pydicom.dataset import FileDataset
from pydicom.encaps import encapsulate
from pydicom.pixels.utils import get_expected_length
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

__all__ = ["SYNTAXES", "encode"]

SYNTAXES: Final[Mapping[str, UID]] = {
    "explicit": ExplicitVRLittleEndian,
    "implicit": ImplicitVRLittleEndian,
    "deflated": DeflatedExplicitVRLittleEndian,
    "rle": RLELossless,
    "jpeg-lossless": JPEGLosslessSV1,
    "jpeg-ls": JPEGLSLossless,
    "jpeg-2000": JPEG2000Lossless,
}
"""By the names that topologies use (`writes: {syntax: …}`)."""

# Named, so that a machine with one more library writes the same bytes.
_ENCODERS: Final[Mapping[UID, str]] = {
    RLELossless: "pydicom",
    JPEGLSLossless: "pyjpegls",
    JPEG2000Lossless: "pylibjpeg",
}


def encode(dataset: FileDataset, syntax: UID) -> bytes:
    """A file of an uncompressed dataset in a transfer syntax of SYNTAXES. The dataset is changed on the way."""
    if "PixelData" in dataset and syntax in _ENCODERS:
        dataset.compress(syntax, encoding_plugin=_ENCODERS[syntax], generate_instance_uid=False)
    elif "PixelData" in dataset and syntax == JPEGLosslessSV1:
        dataset.PixelData = encapsulate([_jpeg_lossless(dataset, frame) for frame in _frames(dataset)])
        dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True
    dataset.file_meta.TransferSyntaxUID = syntax
    buffer = io.BytesIO()
    dataset.save_as(buffer, implicit_vr=syntax.is_implicit_VR, little_endian=True, enforce_file_format=True)
    return buffer.getvalue()


def _frames(dataset: FileDataset) -> list[bytes]:
    pixels, count = dataset.PixelData, int(dataset.get("NumberOfFrames") or 1)
    size = get_expected_length(dataset) // count
    return [pixels[place * size : (place + 1) * size] for place in range(count)]


def _jpeg_lossless(dataset: FileDataset, frame: bytes) -> bytes:
    """One grey frame as JPEG Lossless, first-order prediction. pydicom has no encoder for it, so GDCM is asked."""
    import gdcm  # 0.1 s to import, and only archives that write so need it

    owner = gdcm.ImageWriter()  # an image of our own would be freed under GDCM's hands
    image = owner.GetImage()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((dataset.Columns, dataset.Rows, 1))
    kind = gdcm.PhotometricInterpretation.GetPIType(dataset.PhotometricInterpretation)
    image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(kind))
    image.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.ImplicitVRLittleEndian))
    stored = (dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation)
    image.SetPixelFormat(gdcm.PixelFormat(dataset.SamplesPerPixel, *stored))
    pixels = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    pixels.SetByteStringValue(frame)
    image.SetDataElement(pixels)
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGLosslessProcess14_1))
    change.SetInput(image)
    if not change.Change():
        raise ValueError("GDCM can't write this image as JPEG Lossless")
    fragment = change.GetOutput().GetDataElement().GetSequenceOfFragments().GetFragment(0)
    encoded: str = fragment.GetByteValue().GetBuffer()
    return encoded.encode("utf-8", "surrogateescape")
