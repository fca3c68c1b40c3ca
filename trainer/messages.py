"""What hub and workers say to each other: over HTTP (this crosses the emulated WAN) and on the stage (this does not).

Over HTTP no site names itself: the hub knows it by its address.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter

from nodes.fetched import Fetched
from trainer.clock.phases import Gate

OrderKind = Literal["send", "train", "evaluate"]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="strings")


class Order(_Message):
    """What a site is to do now. `model` is what to start from or to evaluate; None: begin with the seed's
    initial weights.
    """

    number: int
    kind: OrderKind
    round: int
    model: Sha256 | None


class Report(_Message):
    """What a model scores at a site: its probabilities for the held-out subjects, and their true classes.
    Nothing names a subject. `shares` says, where the hub's own worker reports, whose subjects these are: so many of
    this site, then so many of that.
    """

    round: int
    model: Sha256
    labels: list[int]
    probabilities: list[list[float]]
    shares: list[tuple[str, int]] = []


class Trouble(_Message):
    """Why a worker can't go on with a round."""

    round: int
    why: str = Field(max_length=2000)


class Ask(_Message):
    """On the stage: a worker stands at a gate, or has nothing to do behind it."""

    say: Literal["ask", "skip"]
    gate: Gate


class Done(_Message):
    """On the stage: a worker has passed a gate. Times are seconds of the machine's monotonic clock."""

    say: Literal["done"] = "done"
    gate: Gate
    started: float
    ended: float
    work: float = 0.0
    pulls: list[Fetched] = []


class Failed(_Message):
    """On the stage: a worker did not get through a gate; what it had pulled by then. Why, it tells the hub."""

    say: Literal["failed"] = "failed"
    pulls: list[Fetched]


StageMessage = Annotated[Ask | Done | Failed, Field(discriminator="say")]
stage_message: TypeAdapter[Ask | Done | Failed] = TypeAdapter(StageMessage)
