"""A link as it is written: what both directions share, and what each has of its own."""

from dataclasses import replace
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, Tag, model_validator

from emulator.topology.fields import Measured, Number, Whole, refusal
from emulator.topology.forms import Form, choice
from emulator.topology.units import DURATION, RATE, SHARE

MOST_BURST = 1000

Rate = Annotated[int, Measured(RATE, "1kbit", "100gbit", held=round)]
RoundTrip = Annotated[float, Measured(DURATION, "0ms", "10s")]
Delay = Annotated[float, Measured(DURATION, "0ms", "5s")]
Jitter = Annotated[float, Measured(DURATION, "0ms", "5s")]
QueueLength = Annotated[float, Measured(DURATION, "1ms", "10s")]
Loss = Annotated[float, Measured(SHARE, "0%", "50%")]
Share = Annotated[float, Measured(SHARE, "0%", "100%")]
Moment = Annotated[float, Measured(replace(DURATION, example="30s"), "0s", "10000min")]
Span = Annotated[float, Measured(replace(DURATION, example="10s"), "100ms", "10000min")]
Mtu = Annotated[int, Whole("bytes of the largest IP packet,", 576, 1500)]
Distribution = Literal["uniform", "normal", "pareto", "paretonormal"]
Discipline = Literal["fifo", "codel", "fq_codel", "cake"]


class BurstyLoss(Form):
    """Loss in bursts by its two visible figures; a Gilbert model has them (Gilbert 1960)."""

    mean: Loss = Field(description="share of packets lost in the long run")
    burst: Annotated[float, Number("how many packets in a row are lost on average,", 1, MOST_BURST)] = Field(
        description="how many packets in a row are lost, on average"
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.mean / (1 - self.mean) > self.burst:
            raise refusal("a burst that can give this loss", "make the burst longer")
        return self


class GilbertElliottLoss(Form):
    """Loss by the Gilbert–Elliott model (Gilbert 1960, Elliott 1963): a good and a bad state, left with a probability
    at each packet.
    """

    to_bad: Share = Field(description="probability, at each packet, of going from good to bad")
    to_good: Share = Field(description="probability, at each packet, of going from bad to good")
    lost_in_bad: Share = Field(default=1.0, description="share of packets lost in the bad state")
    lost_in_good: Share = Field(default=0.0, description="share of packets lost in the good state")

    @model_validator(mode="after")
    def _moves(self) -> Self:
        if self.to_bad + self.to_good == 0:
            raise refusal("a to_bad or a to_good above 0%", "a model that never changes its state is a plain loss")
        return self


class FourStateLoss(Form):
    """Loss by the four-state Markov model of netem (Salsano et al. 2012): 1 received in a gap, 2 received in a burst,
    3 lost in a burst, 4 lost by itself in a gap.
    """

    p13: Share = Field(description="from 'received in a gap' to 'lost in a burst'")
    p31: Share = Field(description="from 'lost in a burst' to 'received in a gap'")
    p32: Share = Field(default=0.0, description="from 'lost in a burst' to 'received in a burst'")
    p23: Share = Field(default=1.0, description="from 'received in a burst' to 'lost in a burst'")
    p14: Share = Field(default=0.0, description="from 'received in a gap' to 'lost by itself'")

    @model_validator(mode="after")
    def _is_a_chain(self) -> Self:
        if self.p13 + self.p14 > 1 or self.p31 + self.p32 > 1:
            raise refusal("p13 and p14, and p31 and p32, that add up to at most 100%")
        if self.p31 == 0 or self.p23 == 0:
            raise refusal("a p31 and a p23 above 0%", "a state that is never left is no burst")
        return self


def _loss_variant(value: Any) -> str | None:
    for form, tag in ((BurstyLoss, "=bursts"), (GilbertElliottLoss, "=states"), (FourStateLoss, "=four-states")):
        if isinstance(value, form):
            return tag
    if isinstance(value, dict):
        if value.keys() & {"mean", "burst"}:
            return "=bursts"
        return "=four-states" if value.keys() & {"p13", "p31", "p32", "p23", "p14"} else "=states"
    return "=random" if isinstance(value, str | int | float) else None


def _changed_loss_variant(value: Any) -> str | None:
    variant = _loss_variant(value)
    return None if variant == "=four-states" else variant


AnyLoss = Annotated[
    Annotated[Loss, Tag("=random")]
    | Annotated[BurstyLoss, Tag("=bursts")]
    | Annotated[GilbertElliottLoss, Tag("=states")]
    | Annotated[FourStateLoss, Tag("=four-states")],
    choice(_loss_variant, "a share such as 0.1%, {mean: 1%, burst: 5}, {to_bad: 1%, to_good: 20%} or {p13: 1%, …}"),
]


class QueueDocument(Form):
    """The queue in front of a direction's bottleneck."""

    length: QueueLength | None = Field(default=None, description="what it holds, as time at the direction's rate")
    discipline: Discipline = Field(default="fifo", description="fifo drops what comes to a full queue")


class _Shared(Form):
    """What may be written for a whole link and, with more weight, for one direction."""

    jitter: Jitter | None = Field(default=None, description="standard deviation of the delay; at most the delay")
    distribution: Distribution | None = Field(default=None, description="how delays vary; normal unless told otherwise")
    loss: AnyLoss | None = Field(default=None, description="packets lost: a share, or one of three models of bursts")
    duplicate: Share | None = Field(default=None, description="share of packets that arrive twice")
    corrupt: Share | None = Field(default=None, description="share of packets with one bit turned")
    reorder: Share | None = Field(default=None, description="share of packets that overtake all others")
    queue: QueueDocument | None = Field(default=None, description="the queue before the bottleneck")


class DirectionDocument(_Shared):
    """One direction of a link, where it is more than a rate."""

    rate: Rate | None = Field(default=None, description="its rate")
    delay: Delay | None = Field(default=None, description="its one-way delay; left out, half the link's rtt")


def _direction_variant(value: Any) -> str | None:
    if isinstance(value, dict | DirectionDocument):
        return "=direction"
    return "=rate" if isinstance(value, str | int | float) else None


OneWay = Annotated[
    Annotated[Rate, Tag("=rate")] | Annotated[DirectionDocument, Tag("=direction")],
    choice(_direction_variant, "a rate such as 100mbit, or {rate: 100mbit, loss: 1%}"),
]


ChangedLoss = Annotated[
    Annotated[Share, Tag("=random")]
    | Annotated[BurstyLoss, Tag("=bursts")]
    | Annotated[GilbertElliottLoss, Tag("=states")],
    choice(_changed_loss_variant, "a share such as 5%, {mean: 1%, burst: 5} or {to_bad: 1%, to_good: 20%}"),
]


class _Changed(Form):
    """What of a link can be other for a while, without anything that waits being lost."""

    jitter: Jitter | None = Field(default=None, description="standard deviation of the delay; at most the delay")
    loss: ChangedLoss | None = Field(default=None, description="packets lost: up to 100%, or a model of bursts")
    duplicate: Share | None = Field(default=None, description="share of packets that arrive twice")
    corrupt: Share | None = Field(default=None, description="share of packets with one bit turned")
    reorder: Share | None = Field(default=None, description="share of packets that overtake all others")


class ChangedDirection(_Changed):
    """One direction's other values, where they are more than a rate."""

    rate: Rate | None = Field(default=None, description="its rate")
    delay: Delay | None = Field(default=None, description="its one-way delay")


def _changed_way_variant(value: Any) -> str | None:
    return "=direction" if isinstance(value, ChangedDirection) else _direction_variant(value)


ChangedWay = Annotated[
    Annotated[Rate, Tag("=rate")] | Annotated[ChangedDirection, Tag("=direction")],
    choice(_changed_way_variant, "a rate such as 1mbit, or {rate: 1mbit, loss: 5%}"),
]


class ChangeDocument(_Changed):
    """Other values of a link; what is left out stays."""

    rate: Rate | None = Field(default=None, description="rate of both directions")
    down: ChangedWay | None = Field(default=None, description="rate, or more, of the way towards the link's owner")
    up: ChangedWay | None = Field(default=None, description="rate, or more, of the way from the link's owner")
    rtt: RoundTrip | None = Field(default=None, description="round-trip time; each direction takes half of it")

    def way(self, name: Literal["down", "up"]) -> ChangedDirection:
        """What one direction has of its own."""
        own: int | ChangedDirection | None = self.down if name == "down" else self.up
        return own if isinstance(own, ChangedDirection) else ChangedDirection.model_construct(rate=own)


class EpisodeDocument(ChangeDocument):
    """What a link is for a while, in place of what it is otherwise."""

    at: Moment = Field(description="when it begins, on the links' clock, which starts with the world")
    lasts: Span | None = Field(default=None, alias="for", description="how long it lasts; left out, for good")
    every: Span | None = Field(default=None, description="it comes again each time that so much has passed")

    @model_validator(mode="after")
    def _ends_before_it_comes_again(self) -> Self:
        if self.every is not None and (self.lasts is None or self.lasts > self.every):
            raise refusal("a 'for' that is at most 'every'", "it can't come again while it lasts")
        if not self.model_fields_set - {"at", "lasts", "every"}:
            raise refusal("values that are other meanwhile, such as rate: 1mbit or loss: 20%")
        return self


class TraceDocument(Form):
    """Files that say what a link is over time: one for both directions, or one for each."""

    file: str | None = Field(default=None, description="a file for both directions")
    down: str | None = Field(default=None, description="a file for the way towards the link's owner")
    up: str | None = Field(default=None, description="a file for the way from the link's owner")

    @model_validator(mode="after")
    def _has_files(self) -> Self:
        if (self.file is None) == (self.down is None and self.up is None):
            raise refusal("either 'file' (both directions), or 'down', 'up' or both")
        return self

    def way(self, name: Literal["down", "up"]) -> str | None:
        """The file of one direction."""
        return self.file or (self.down if name == "down" else self.up)


class LinkDocument(_Shared):
    """A named link: its rate (`rate`, or `down` and `up` apart), its delay, and what it does to packets."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [{"required": ["rate"]}, {"required": ["down", "up"]}],
        }
    )

    rate: Rate | None = Field(default=None, description="rate of both directions")
    down: OneWay | None = Field(default=None, description="rate, or more, of the way towards the link's owner")
    up: OneWay | None = Field(default=None, description="rate, or more, of the way from the link's owner")
    rtt: RoundTrip | None = Field(
        default=None, description="round-trip time of the idle link; each direction takes half of it"
    )
    pings: str | None = Field(
        default=None,
        description="in place of rtt, jitter and distribution: a file of measured round-trip times, in milliseconds",
    )
    schedule: list[EpisodeDocument] = Field(
        default_factory=list, description="what it is for a while, and when; later entries go before earlier ones"
    )
    trace: TraceDocument | None = Field(default=None, description="files that say what it is over time")
    mtu: Mtu = Field(default=1500, description="bytes of the largest IP packet that it carries")
    note: str = Field(default="", description="where these figures come from")

    def way(self, name: Literal["down", "up"]) -> DirectionDocument:
        """What one direction has of its own."""
        own: int | DirectionDocument | None = self.down if name == "down" else self.up
        return own if isinstance(own, DirectionDocument) else DirectionDocument.model_construct(rate=own)

    @model_validator(mode="after")
    def _has_both_rates(self) -> Self:
        own = [self.way("down").rate is not None, self.way("up").rate is not None]
        if any(own) if self.rate is not None else not all(own):
            raise refusal("either 'rate', or both 'down' and 'up'")
        return self

    @model_validator(mode="after")
    def _has_one_delay(self) -> Self:
        own = [self.way("down").delay is not None, self.way("up").delay is not None]
        written = [self.rtt is not None, self.pings is not None, any(own)]
        if sum(written) != 1 or (any(own) and not all(own)):
            raise refusal("one of 'rtt', 'pings', or a 'delay' in both 'down' and 'up'")
        return self

    @model_validator(mode="after")
    def _never_arrives_before_it_is_sent(self) -> Self:
        for name in ("down", "up"):
            way = self.way(name)
            delay = way.delay if way.delay is not None else (self.rtt or 0.0) / 2
            jitter = way.jitter if way.jitter is not None else (self.jitter or 0.0)
            if self.pings is not None:
                self._leave_to_pings(way)
            elif jitter > delay:
                raise refusal("a jitter of at most half the rtt", "a packet can't arrive before it was sent")
            elif delay == 0 and (way.reorder if way.reorder is not None else self.reorder):
                raise refusal("a delay above 0 where packets are reordered", "one overtakes the others by not waiting")
        return self

    def _leave_to_pings(self, way: DirectionDocument) -> None:
        for part in (self, way):
            if part.jitter is not None or part.distribution is not None:
                raise refusal("no 'jitter' and no 'distribution' beside 'pings'", "the pings tell both")

    @model_validator(mode="after")
    def _never_arrives_early_for_a_while(self) -> Self:
        for episode in self.schedule if self.pings is None else ():
            for name in ("down", "up"):
                usual, other = self.way(name), episode.way(name)
                delays = (other.delay, _half(episode.rtt), usual.delay, _half(self.rtt))
                delay = next((value for value in delays if value is not None), 0.0)
                jitter = other.jitter if other.jitter is not None else episode.jitter
                if jitter is not None and jitter > delay:
                    raise refusal("episodes with a jitter of at most half their rtt", "packets can't arrive early")
        return self


def _half(duration_s: float | None) -> float | None:
    return None if duration_s is None else duration_s / 2
