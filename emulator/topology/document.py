"""A topology as it is written: what each key may hold. Nothing is complete yet: `resolving` fills in and stamps out.

Descriptions become the editors' hints (`testbed schema`).
"""

from dataclasses import replace
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, Tag, model_validator

from emulator.topology.faults import FaultDocument
from emulator.topology.fields import LONGEST_NAME, Measured, Name, Number, Whole, Word, refusal
from emulator.topology.forms import Form, choice, either
from emulator.topology.links import LinkDocument, Share
from emulator.topology.machine import Machine
from emulator.topology.naming import MOST_SITES, longest_group
from emulator.topology.policy import PolicyDocument
from emulator.topology.toxics import ToxicDocument
from emulator.topology.traffic import TrafficDocument
from emulator.topology.units import DURATION, SHARE

MOST_STUDIES = 5000
WAREHOUSE = "warehouse"

Variation = Annotated[float, Measured(replace(SHARE, example="10%"), "0%", "100%")]
Tolerance = Annotated[float, Measured(replace(DURATION, example="1ms"), "0ms", "10s")]
ComputeTime = Annotated[float, Measured(replace(DURATION, example="30ms"), "0ms", "60min")]
Studies = Annotated[int, Whole("a number of studies", 1, MOST_STUDIES)]
Spoilt = Annotated[float, Measured(replace(SHARE, example="5%"), "0%", "100%")]
ClassShare = Annotated[float, Number("a share of the studies", 0, 1)]
LinkName = Annotated[str, Word("a link profile", "links")]
PacsName = Annotated[str, Word("a PACS profile", "pacs")]
CohortName = Annotated[
    str,
    Word(f"an imported cohort (testbed import PATH --out NAME), or {WAREHOUSE} where the topology has one", "cohorts"),
]
ScannerName = Annotated[str, Word("a scanner profile", "scanners")]
SiteName = Annotated[str, Name("a site's name", taken=("hub", "wan"))]


class PacsDocument(BaseModel):
    """A named PACS: its flavour. Every further key is an option of that flavour."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    flavour: Annotated[str, Word("a PACS flavour", "flavours")]


class StudyRange(Form):
    """Each site draws its number of studies from `min` to `max`, all equally likely: quantity skew."""

    min: Studies
    max: Studies

    @model_validator(mode="after")
    def _is_in_order(self) -> Self:
        if self.min > self.max:
            raise refusal("a min that is not above the max", "swap them")
        return self


class ClassShares(Form):
    """The shares of the classes, adding up to 1; a class left out has none."""

    control: ClassShare = 0.0
    mci: ClassShare = 0.0
    ad: ClassShare = 0.0

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        total = self.control + self.mci + self.ad
        if abs(total - 1) > 1e-6:
            raise refusal("shares of control, mci and ad that add up to 1", f"these add up to {total:g}")
        return self


class Dirichlet(Form):
    """Each site draws its class shares from a symmetric Dirichlet distribution (Hsu et al. 2019, sec. 3): class skew.

    Small concentrations make sites of one class, large ones make sites alike.
    """

    dirichlet: Annotated[float, Number("a concentration", 0.01, 1000)]


def _studies_variant(value: Any) -> str | None:
    if isinstance(value, dict | StudyRange):
        return "=range"
    return "=number" if isinstance(value, int) and not isinstance(value, bool) else None


def _classes_variant(value: Any) -> str | None:
    if isinstance(value, dict):
        return "=dirichlet" if "dirichlet" in value else "=shares"
    if isinstance(value, Dirichlet):
        return "=dirichlet"
    return "=shares" if isinstance(value, ClassShares) else None


def _scanner_variant(value: Any) -> str:
    return "=drawn" if isinstance(value, list) else "=one"


class DefectsDocument(Form):
    """What is wrong with some of the studies, on purpose: the share of them that has each defect; none has two."""

    broken_pixels: Spoilt = Field(default=0.0, alias="broken-pixels", description="half of a picture's pixels is lost")
    burnt_in_text: Spoilt = Field(default=0.0, alias="burnt-in-text", description="a name is written into the pixels")
    doubled_slice: Spoilt = Field(default=0.0, alias="doubled-slice", description="a slice is there twice")
    identifying_attributes: Spoilt = Field(
        default=0.0, alias="identifying-attributes", description="a person is named in the image's comments"
    )
    inconsistent_geometry: Spoilt = Field(
        default=0.0, alias="inconsistent-geometry", description="a slice has another spacing or orientation"
    )
    intensity_outlier: Spoilt = Field(default=0.0, alias="intensity-outlier", description="a slice is far too bright")
    missing_slice: Spoilt = Field(default=0.0, alias="missing-slice", description="a slice is not there")
    two_volumes: Spoilt = Field(default=0.0, alias="two-volumes", description="two volumes share one series")
    wrong_modality: Spoilt = Field(default=0.0, alias="wrong-modality", description="a series says another modality")

    @model_validator(mode="after")
    def _leaves_no_study_two(self) -> Self:
        total = sum(self.shares().values())
        if total > 1 + 1e-9:
            raise refusal("shares of defects that add up to 100% at most", f"these add up to {100 * total:g}%")
        return self

    def shares(self) -> dict[str, float]:
        """The kinds that there are, by their names, and their shares of the studies."""
        return {kind: share for kind, share in self.model_dump(by_alias=True).items() if share}


class CohortDocument(Form):
    """The studies of a site, or of each site of a group."""

    kind: Literal["phantom", "imported"] | None = Field(
        default=None, description="phantoms, or imported studies, which 'from' says already"
    )
    source: CohortName | None = Field(
        default=None, alias="from", description="an imported cohort to take studies from, or warehouse"
    )
    studies: (
        Annotated[
            Annotated[Studies, Tag("=number")] | Annotated[StudyRange, Tag("=range")],
            choice(_studies_variant, f"a number of studies from 1 to {MOST_STUDIES}, or {{min: 20, max: 60}}"),
        ]
        | None
    ) = Field(default=None, description="how many studies: a number, or a range that each site draws from")
    classes: (
        Annotated[
            Annotated[ClassShares, Tag("=shares")] | Annotated[Dirichlet, Tag("=dirichlet")],
            choice(_classes_variant, "{control: 0.4, mci: 0.3, ad: 0.3}, or {dirichlet: 0.5}"),
        ]
        | None
    ) = Field(default=None, description="shares of control, mci and ad, or how unequal they are drawn")
    scanner: (
        Annotated[
            Annotated[ScannerName, Tag("=one")]
            | Annotated[Annotated[list[ScannerName], Field(min_length=1)], Tag("=drawn")],
            choice(_scanner_variant, "a scanner profile or a list of them"),
        ]
        | None
    ) = Field(default=None, description="a scanner profile, or a list that each site draws one from")
    modalities: Annotated[list[Literal["mr", "pet"]], Field(min_length=1, max_length=2)] | None = Field(
        default=None, description="the series of each study"
    )
    storage: Literal["single-frame", "multi-frame"] | None = Field(
        default=None, description="one file a slice, or one Enhanced multi-frame file a series"
    )
    defects: DefectsDocument | None = Field(default=None, description="what is wrong with some of them, on purpose")

    @model_validator(mode="after")
    def _says_one_kind(self) -> Self:
        made = [key for key in ("scanner", "modalities", "storage", "defects") if getattr(self, key) is not None]
        if self.source not in (None, WAREHOUSE) and self.kind == "phantom":
            raise refusal("phantoms, or a cohort to take studies 'from', not both")
        if self.source not in (None, WAREHOUSE) and made:
            kept = "no 'scanner', 'modalities', 'storage' or 'defects' beside 'from'"
            raise refusal(kept, "imported studies are as they are")
        return self


class ComputeDocument(Form):
    """How fast a site computes, on the emulated clock."""

    model_config = ConfigDict(json_schema_extra={"not": {"required": ["per_sample", "speed"]}})

    per_sample: ComputeTime | None = Field(default=None, description="time to train on one sample once")
    speed: Annotated[float, Number("a speed, where 0.5 is half as fast as the usual,", 0.001, 1000)] | None = Field(
        default=None, description="in place of per_sample: the usual time per sample is divided by it"
    )
    jitter: Variation | None = Field(
        default=None, description="how much computing varies from round to round: standard deviation over mean"
    )

    @model_validator(mode="after")
    def _is_timed_once(self) -> Self:
        if self.per_sample is not None and self.speed is not None:
            raise refusal("either 'per_sample' or 'speed', not both")
        return self


class SiteSettings(Form):
    """What a site has. Left out, it is taken from `defaults`, and failing that from what is built in."""

    link: LinkName | None = Field(default=None, description="the profile of its access link")
    pacs: PacsName | None = Field(default=None, description="the profile of its PACS")
    machine: Machine | None = Field(default=None, description="what its PACS runs on")
    cohort: CohortDocument = Field(default_factory=CohortDocument)
    compute: ComputeDocument = Field(default_factory=ComputeDocument)
    region: Annotated[str, Word("a region", "regions")] | None = Field(
        default=None, description="the region whose uplink it shares"
    )
    toxics: list[ToxicDocument] | None = Field(
        default=None, description="faults on the TCP streams of its PACS and of the hub; a list replaces the default's"
    )


class SiteDocument(SiteSettings):
    """One site (`name`), or many alike (`group` and `count`): `{group: chu, count: 12}` makes chu-01 to chu-12."""

    model_config = ConfigDict(json_schema_extra=either(["name"], ["group", "count"]))

    name: SiteName | None = Field(default=None, description="the name of one site")
    group: Annotated[str, Name("a group's name")] | None = Field(
        default=None, description="the first part of each name of a group"
    )
    count: Annotated[int, Whole("a number of sites", 1, MOST_SITES)] | None = Field(
        default=None, description="how many sites a group has"
    )

    @model_validator(mode="after")
    def _is_one_or_many(self) -> Self:
        if (self.name is None) == (self.group is None) or (self.group is None) != (self.count is None):
            raise refusal("either 'name' (one site), or 'group' and 'count' (many alike)")
        return self

    @model_validator(mode="after")
    def _has_short_names(self) -> Self:
        if self.group and self.count and len(self.group) > (most := longest_group(self.count)):
            raise refusal(
                f"a group's name of at most {most} characters, so that its sites' names fit in {LONGEST_NAME}"
            )
        return self


class HubDocument(Form):
    """The coordinating centre."""

    link: LinkName | None = Field(default=None, description="the profile of its access link")
    compute: ComputeDocument = Field(
        default_factory=ComputeDocument, description="how fast it computes, where it trains (centralised)"
    )


class WarehouseDocument(Form):
    """An archive at the hub. Sites with `cohort: {from: warehouse}` are filled from it, across the WAN."""

    pacs: PacsName | None = Field(default=None, description="the profile of its PACS, which must speak DICOMweb")
    source: CohortName | None = Field(
        default=None, alias="from", description="the imported cohort that it holds; without it, phantoms"
    )

    @model_validator(mode="after")
    def _is_not_its_own_source(self) -> Self:
        if self.source == WAREHOUSE:
            raise refusal("an imported cohort", "the warehouse can't be filled from itself")
        return self


class RegionDocument(Form):
    """Sites that share one uplink towards the hub."""

    link: LinkName = Field(description="the profile of the shared uplink")


class FidelityDocument(Form):
    """How far the emulation may stray before `testbed check`, or a round, is out of bounds."""

    rtt: Tolerance | None = Field(default=None, description="how far a round-trip time may be from what is asked …")
    rtt_share: Share | None = Field(default=None, description="… or as a share of it, whichever is more")
    rate: Share | None = Field(default=None, description="how far a rate may be from what is asked, as a share of it")
    loss: Share | None = Field(
        default=None, description="how far a share of lost packets may be from what is asked, beyond chance"
    )
    router: Share | None = Field(default=None, description="how much of any half a second of transfers the router runs")
    waiting: Share | None = Field(
        default=None, description="how much of the transfers' time the router waits for a processor"
    )
    host: Share | None = Field(default=None, description="how much of that time the hub's process waits for one")


class TrainingDocument(Form):
    """What `testbed train` runs unless its own options say otherwise."""

    task: Annotated[str, Word("a task", "tasks")] | None = Field(default=None, description="what is learned")
    algorithm: Annotated[str, Word("an algorithm", "algorithms")] | None = Field(
        default=None, description="how models are put together"
    )
    rounds: Annotated[int, Whole("a number of rounds", 1, 10_000)] = Field(default=5)
    local_epochs: Annotated[int, Whole("a number of epochs of each site in each round", 1, 1000)] = Field(default=1)
    batch_size: Annotated[int, Whole("a number of studies in a batch", 1, 4096)] = Field(default=8)
    learning_rate: Annotated[float, Number("a step size", 1e-9, 100)] = Field(default=0.05)
    test_fraction: Annotated[float, Number("a share of each site's studies, held out for testing,", 0.01, 0.9)] = Field(
        default=0.25
    )
    volume_cache: bool = Field(
        default=True, description="keep pulled studies at the worker; false pulls them again in each round"
    )
    options: dict[str, Any] = Field(default_factory=dict, description="options of the task and the algorithm")
    clock: Literal["emulated", "real"] = Field(
        default="emulated", description="emulated jumps over modelled computing; real waits for it"
    )
    curation: Literal["keep", "drop", "stop"] | None = Field(
        default=None,
        description="look each study through, and where something is found keep it if it can be assembled, drop it, or "
        "stop the site; left out, nobody looks",
    )
    deidentify: bool = Field(
        default=False,
        description="take out of each study whom it is of, as it is pulled (PS3.15's basic profile), before anything "
        "else is done with it; the record names studies by new UIDs",
    )
    mode: Literal["federated", "centralised"] = Field(
        default="federated",
        description="centralised: sites send their studies to the hub, which trains one model on all of them",
    )
    quorum: Annotated[float, Number("a share of the sites", 0, 1)] = Field(
        default=0.0, description="the share of the sites whose updates a round needs"
    )
    deadline: Annotated[float, Measured(replace(DURATION, example="60s"), "10ms", "10000min")] | None = Field(
        default=None,
        description="how long after its beginning a round waits for the rest, once it has a quorum; left out, it waits "
        "for all sites that live",
    )
    late: Literal["drop", "next-round", "wait"] = Field(
        default="drop",
        description="what becomes of an update that comes after the deadline: dropped, counted in a later round, or "
        "waited for",
    )
    staleness: Annotated[float, Number("an exponent", 0, 10)] = Field(
        default=0.5,
        description="how fast an update loses weight that comes rounds late: (rounds + 1) to the power of minus this",
    )
    require: Literal["any", "all"] = Field(
        default="any", description="all: `train` ends with exit code 1 where a site was missing in any round"
    )


class Document(Form):
    """A whole topology."""

    name: Annotated[str, Name("the topology's name")]
    seed: Annotated[int, Whole("a seed", 0, 2**63 - 1)] = 0
    hub: HubDocument = Field(default_factory=HubDocument)
    links: dict[Annotated[str, Name("a link profile's name")], LinkDocument] = Field(
        default_factory=dict, description="link profiles; those of the same names that are built in give way"
    )
    pacs: dict[Annotated[str, Name("a PACS profile's name")], PacsDocument] = Field(
        default_factory=dict, description="PACS profiles"
    )
    regions: dict[Annotated[str, Name("a region's name")], RegionDocument] = Field(
        default_factory=dict, description="regions: sites that share one uplink towards the hub"
    )
    warehouse: WarehouseDocument | None = Field(default=None, description="an archive at the hub to fill sites from")
    defaults: SiteSettings = Field(default_factory=SiteSettings, description="what sites have that don't say otherwise")
    sites: Annotated[list[SiteDocument], Field(min_length=1)] = Field(description="the hospitals, in order")
    policy: list[PolicyDocument] = Field(
        default_factory=list, description="ports open between the hub and places of sites, besides the hub's own"
    )
    traffic: list[TrafficDocument] = Field(default_factory=list, description="background traffic")
    training: TrainingDocument = Field(default_factory=TrainingDocument)
    fidelity: FidelityDocument = Field(default_factory=FidelityDocument)
    faults: list[FaultDocument] = Field(default_factory=list, description="what happens while a training runs")
