"""`machine` as it is written: a word, or a virtual machine with its image and what it has of the host."""

from dataclasses import replace
from typing import Annotated, Any, Literal, Self

from pydantic import Field, Tag, model_validator

from emulator.topology.fields import Measured, Whole, Word, refusal
from emulator.topology.forms import Form, choice
from emulator.topology.resolved import Disk, Guest, MachineKind
from emulator.topology.units import RATE, SHARE, SIZE

IMAGE = "debian-12"
VCPUS = 1
MEMORY_BYTES = 192 * 2**20
DISK_BYTES = 2**30

Memory = Annotated[int, Measured(replace(SIZE, example="192MiB"), "96MiB", "256GiB", held=round, step="1MiB")]
DiskSize = Annotated[int, Measured(replace(SIZE, example="1GiB"), "64MiB", "1TiB", held=round, step="1MiB")]
DiskRate = Annotated[int, Measured(RATE, "80kbit", "100gbit", held=round, step="8bit")]
Iops = Annotated[int, Whole("operations a second", 1, 1_000_000)]
Processor = Annotated[float, Measured(replace(SHARE, example="50%"), "1%", "6400%")]


class DiskDocument(Form):
    """The disk of a virtual machine: its size, and how fast it is."""

    size: DiskSize | None = Field(default=None, description="how much it holds")
    read: DiskRate | None = Field(default=None, description="how fast it is read; left out, as fast as the host's")
    write: DiskRate | None = Field(default=None, description="how fast it is written; left out, as fast as the host's")
    iops: Iops | None = Field(default=None, description="operations a second, reads and writes together")


class MachineDocument(Form):
    """A machine where it is more than a word."""

    kind: Literal["namespace", "vm"] = Field(description="what the PACS runs on")
    image: Annotated[str, Word("an image of a guest", "images")] | None = Field(
        default=None, description="what the guest runs"
    )
    vcpus: Annotated[int, Whole("a number of processors", 1, 64)] | None = Field(
        default=None, description="how many processors the guest has"
    )
    memory: Memory | None = Field(default=None, description="how much memory the guest has")
    disk: DiskDocument = Field(default_factory=DiskDocument, description="the guest's own disk")
    cpu: Processor | None = Field(default=None, description="the share of one of the host's processors that it may use")

    @model_validator(mode="after")
    def _has_what_its_kind_can_have(self) -> Self:
        written = sorted(self.model_fields_set - {"kind"})
        if self.kind == "namespace" and written:
            raise refusal("nothing beside 'kind: namespace'", f"{', '.join(written)} are a virtual machine's")
        return self


def _variant(value: Any) -> str | None:
    if isinstance(value, dict | MachineDocument):
        return "=machine"
    return "=kind" if isinstance(value, str) else None


Machine = Annotated[
    Annotated[Literal["namespace", "vm"], Tag("=kind")] | Annotated[MachineDocument, Tag("=machine")],
    choice(_variant, "namespace, vm, or {kind: vm, image: debian-12, memory: 192MiB}"),
]
"""What a site's `machine` may be."""

Written = MachineKind | MachineDocument | None


def resolved(own: Written, default: Written) -> tuple[MachineKind, Guest | None]:
    """A site's machine; what it doesn't say of a virtual machine, `defaults` do."""
    kind = _kind(own) or _kind(default) or "namespace"
    if kind == "namespace":
        return kind, None
    return kind, guest(tuple(part for part in (own, default) if isinstance(part, MachineDocument)))


def guest(layers: tuple[MachineDocument, ...] = ()) -> Guest:
    """A virtual machine; earlier layers go before later ones, and what is built in comes last."""

    def first(key: str, otherwise: Any) -> Any:
        return next((value for layer in layers if (value := getattr(layer, key)) is not None), otherwise)

    def of_disk(key: str, otherwise: Any) -> Any:
        return next((value for layer in layers if (value := getattr(layer.disk, key)) is not None), otherwise)

    disk = Disk(of_disk("size", DISK_BYTES), of_disk("read", None), of_disk("write", None), of_disk("iops", None))
    return Guest(
        image=first("image", IMAGE),
        vcpus=first("vcpus", VCPUS),
        memory_bytes=first("memory", MEMORY_BYTES),
        disk=disk,
        cpu=first("cpu", None),
    )


def _kind(written: Written) -> MachineKind | None:
    return written.kind if isinstance(written, MachineDocument) else written
