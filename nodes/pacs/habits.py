"""What a PACS profile says beside its flavour: which ways in it allows, and how it departs from the rest."""

from typing import Annotated, Any, Literal, TypeAlias, TypeVar

from pydantic import Field, Tag, ValidationError

from emulator.topology.fields import Measured, Whole
from emulator.topology.forms import Form, choice
from emulator.topology.resolved import Pacs
from emulator.topology.units import DURATION, RATE
from nodes.errors import WrongInput

Way: TypeAlias = Literal["wado-rs", "c-get", "c-move"]
Duration: TypeAlias = Annotated[float, Measured(DURATION, "0ms", "60min")]
Moment: TypeAlias = Annotated[float, Measured(DURATION, "0ms", "525600min")]
"""Seconds since the world came up."""
BitRate: TypeAlias = Annotated[int, Measured(RATE, "8kbit", "100gbit", int)]

H = TypeVar("H", bound="Habits")


class Dimse(Form):
    """How the PACS behaves as a DICOM application entity."""

    aet: Annotated[str, Field(pattern=r"^[A-Z0-9_]{1,16}$")] | None = Field(default=None, description="its AE title")
    check_called: bool = Field(default=False, description="refuse whoever calls it by another AE title")
    check_calling: bool = Field(default=False, description="refuse callers whose AE title it does not know")
    associations: Annotated[int, Whole("associations at once", 1, 100)] | None = Field(
        default=None, description="how many associations it serves at once"
    )
    pdu_bytes: Annotated[int, Whole("the largest PDU in bytes", 4096, 131072)] | None = Field(
        default=None, description="the largest PDU that it takes"
    )
    nodelay: bool = Field(
        default=True, description="false leaves Nagle's algorithm on, at both ends: DIMSE becomes 50 times slower"
    )
    knows_worker: bool = Field(default=True, description="whether it knows where the worker takes C-MOVE's objects")
    tls: bool = Field(default=False, description="DICOM over TLS")
    idle: Duration | None = Field(default=None, description="it drops an association that is idle for so long")


class Closed(Form):
    """When bulk retrieval is refused: `for` so long from `at` on (since the world came up), again `every` so long."""

    at: Moment = 0.0
    lasts: Duration = Field(alias="for")
    every: Duration | None = None


class Web(Form):
    """How the PACS behaves over HTTP. What is not as usual is done by a gateway in front of it, as in hospitals."""

    page: Annotated[int, Whole("results a page", 1, 10_000)] | None = Field(
        default=None, description="QIDO-RS gives at most so many results at once, whatever `limit` asks"
    )
    includefield: bool = Field(default=True, description="false ignores `includefield`")
    single_part: bool = Field(default=False, description="one instance comes as plain application/dicom")
    frames: bool = Field(default=True, description="false: there is no /frames")
    bulkdata: bool = Field(default=True, description="false: there is no /bulkdata")
    accept: Literal["usual", "strict", "quoted"] = Field(
        default="usual",
        description="strict answers 406 unless Accept names the type with its transfer syntax; quoted unless the type "
        "parameter is in quotation marks",
    )
    first_byte: Duration | None = Field(default=None, description="it thinks for so long before each answer")
    idle: Duration | None = Field(default=None, description="it closes a connection that is idle for so long")
    closed: list[Closed] = Field(default_factory=list, description="night hours: bulk retrieval is refused (503)")
    rate: BitRate | None = Field(default=None, description="it sends no faster, all callers together")
    auth: Literal["none", "basic", "bearer", "mutual"] = Field(
        default="none", description="who may call; mutual asks for a certificate, and implies tls"
    )
    tls: bool = Field(default=False, description="HTTPS")


class Writes(Form):
    """How its scanners and its archive write DICOM: decides the bytes that it stores."""

    syntax: Literal["explicit", "implicit", "deflated", "rle", "jpeg-lossless", "jpeg-ls", "jpeg-2000"] = Field(
        default="explicit", description="the transfer syntax in which it stores"
    )
    charset: Literal["ISO_IR 6", "ISO_IR 100", "ISO_IR 192", "ISO 2022 IR 87"] | None = Field(
        default=None, description="Specific Character Set; names of patients use it. Left out, names are plain ASCII"
    )
    private: bool = Field(default=False, description="private attributes, of two creators")
    missing_type2: bool = Field(default=False, description="attributes of type 2 are left out")
    wrong_vr: bool = Field(default=False, description="some attributes have another VR than the standard's")
    doubled_uids: bool = Field(default=False, description="one instance of a study is stored twice, under one UID")


def _dimse_variant(value: Any) -> str | None:
    if value is False:
        return "=none"
    return "=dimse" if isinstance(value, dict | Dimse) else None


class Habits(Form):
    """What every flavour's profile may say. A flavour has a form of its own with further options."""

    retrieve: list[Way] | None = Field(default=None, min_length=1, description="the ways of retrieval that it allows")
    dimse: Annotated[
        Annotated[Dimse, Tag("=dimse")] | Annotated[Literal[False], Tag("=none")],
        choice(_dimse_variant, "a mapping, or false where it speaks no DIMSE"),
    ] = Field(default_factory=Dimse, description="false: it speaks no DIMSE")
    web: Web = Field(default_factory=Web)
    writes: Writes = Field(default_factory=Writes)


def writes_of(pacs: Pacs) -> Writes:
    """How a profile's archive writes, whatever its flavour (whose form has checked it)."""
    return Writes.model_validate(pacs.options.get("writes", {}))


def storage_key(writes: Writes) -> dict[str, Any]:
    """What `writes` adds to a flavour's `storage_key`: nothing where the archive writes as phantoms are made."""
    said = writes.model_dump(exclude_defaults=True)
    return {"writes": said} if said else {}


def aet_of(site: str, habits: Habits) -> str:
    """The AE title of a site's PACS: its profile's, else made of the site's name."""
    given = habits.dimse.aet if habits.dimse else None
    return given or site.upper().replace("-", "_")[:16]


def read(pacs: Pacs, form: type[H]) -> H:
    """The options of a profile. Raises WrongInput that names the profile, the option, what was found and expected."""
    try:
        return form.model_validate(dict(pacs.options))
    except ValidationError as error:
        raise WrongInput("; ".join(_told(pacs, form, one) for one in error.errors())) from error


def _told(pacs: Pacs, form: type[Habits], error: Any) -> str:
    option = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        known = ", ".join(form.model_fields)
        return f"PACS profile '{pacs.profile}': {pacs.flavour} has no option '{option}'; it has {known}"
    return f"PACS profile '{pacs.profile}': option '{option}' is {error['input']!r}; {error['msg']}"
