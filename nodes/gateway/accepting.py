"""What a caller accepts (RFC 9110, 12.5.1; DICOM PS3.18, 8.3.3), read as strictly as an archive may."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from nodes.gateway.settings import Accept

DICOM = "application/dicom"
MULTIPART = "multipart/related"
_PIECES = re.compile(r'(?:"(?:\\.|[^"\\])*"?|[^",;])+|[,;]')


@dataclass(frozen=True)
class Parameter:
    """`quoted`: its value stood in quotation marks."""

    value: str
    quoted: bool


@dataclass(frozen=True)
class MediaRange:
    """One of the types that a caller takes. Names of types and parameters are in lower case."""

    media: str
    parameters: dict[str, Parameter]

    @property
    def wanted(self) -> bool:
        """False where its weight is nought."""
        weight = self.parameters.get("q")
        return weight is None or re.fullmatch(r"0(\.0*)?", weight.value) is None

    def value(self, name: str) -> str:
        """A parameter's value, empty where it is not there."""
        return self.parameters[name].value if name in self.parameters else ""

    @property
    def multipart_dicom(self) -> bool:
        """Whether it is DICOM files as parts."""
        return self.wanted and self.media == MULTIPART and self.value("type").lower() == DICOM


def ranges(header: str) -> Iterator[MediaRange]:
    """The types that an Accept header names. What is no type is left out."""
    pieces: list[str] = []
    for piece in [*_PIECES.findall(header), ","]:
        if piece != ",":
            pieces.append(piece)
            continue
        words = [word.strip() for word in pieces if word != ";"]
        if words and words[0]:
            yield MediaRange(words[0].lower(), dict(_parameter(word) for word in words[1:]))
        pieces = []


def _parameter(word: str) -> tuple[str, Parameter]:
    name, _, value = word.partition("=")
    value = value.strip()
    quoted = len(value) > 1 and value[0] == value[-1] == '"'
    if quoted:
        value = re.sub(r"\\(.)", r"\1", value[1:-1])
    return name.strip().lower(), Parameter(value, quoted)


def acceptable(header: str, habit: Accept) -> bool:
    """Whether an archive of that habit answers a retrieval with DICOM files at all."""
    if habit == "usual":
        return True
    found = [one for one in ranges(header) if one.multipart_dicom]
    if habit == "strict":
        return any(one.value("transfer-syntax") for one in found)
    return any(one.parameters["type"].quoted for one in found)


def as_multipart(header: str) -> str:
    """The same wish for one instance, to an archive that knows multipart alone. What is no such wish stays as it is."""
    for one in ranges(header or "*/*"):
        plain = one.media in (DICOM, "application/*", "*/*")
        if one.multipart_dicom or (one.wanted and plain):
            syntax = one.value("transfer-syntax")
            return f'{MULTIPART}; type="{DICOM}"' + (f"; transfer-syntax={syntax}" if syntax else "")
    return header
