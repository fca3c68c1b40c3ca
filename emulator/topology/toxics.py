"""`toxics` as they are written: faults on the TCP streams of a site's services, in Toxiproxy's words.

Toxiproxy counts whole milliseconds, whole kilobytes a second and whole bytes. What it can't count is refused here
rather than rounded. `resolved` has the same toxics in the testbed's own units.
"""

from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from emulator.topology import resolved
from emulator.topology.fields import Measured, refusal
from emulator.topology.forms import Form
from emulator.topology.problems import Problem, quoted
from emulator.topology.resolved import Stream, Target, Toxic
from emulator.topology.tree import Items, Node, Scalar, child
from emulator.topology.units import DURATION, RATE, SHARE, SIZE

_LONGEST_S = "10min"

Time = Annotated[float, Measured(DURATION, "0ms", _LONGEST_S, step="1ms")]
Pause = Annotated[float, Measured(DURATION, "0us", "10s", step="1us")]
ToxicRate = Annotated[int, Measured(RATE, "8kbit", "100gbit", held=round, step="8kbit")]
Share = Annotated[float, Measured(SHARE, "0%", "100%")]
Bytes = Annotated[int, Measured(SIZE, "0B", "1TiB", held=round, step="1B")]
SliceBytes = Annotated[int, Measured(SIZE, "1B", "1GiB", held=round, step="1B")]

_ON = "the service: the PACS's DICOMweb or DIMSE port, or the hub's three ports, as this site's worker sees them"


class _OnService(Form):
    on: Target = Field(description=_ON)


class _OnStream(_OnService):
    stream: Stream = Field(
        default="downstream", description="downstream: from the service to the worker; upstream: from the worker to it"
    )
    toxicity: Share = Field(default=1.0, description="share of connections that have it, each drawn as it opens")

    def _common(self) -> dict[str, Any]:
        return {"on": self.on, "stream": self.stream, "toxicity": self.toxicity}


class LatencyToxic(_OnStream):
    """Delays what passes by `latency`, give or take `jitter`."""

    toxic: Literal["latency"] = Field(description="the kind of toxic")
    latency: Time = Field(description="delay of one direction")
    jitter: Time = Field(default=0.0, description="how far each delay may be off, both ways; at most the latency")

    @model_validator(mode="after")
    def _never_arrives_before_it_is_sent(self) -> Self:
        if self.jitter > self.latency:
            raise refusal("a jitter of at most the latency", "nothing can arrive before it was sent")
        return self

    def resolved(self) -> Toxic:
        return resolved.LatencyToxic(**self._common(), latency_s=self.latency, jitter_s=self.jitter)


class BandwidthToxic(_OnStream):
    """Lets each connection pass at most `rate`."""

    toxic: Literal["bandwidth"] = Field(description="the kind of toxic")
    rate: ToxicRate = Field(description="of each connection's payload, in whole kilobytes a second (8kbit)")

    def resolved(self) -> Toxic:
        return resolved.BandwidthToxic(**self._common(), rate_bps=self.rate)


class SlowCloseToxic(_OnStream):
    """Keeps a connection open for `delay` after it was closed."""

    toxic: Literal["slow_close"] = Field(description="the kind of toxic")
    delay: Time = Field(description="how long closing takes")

    def resolved(self) -> Toxic:
        return resolved.SlowCloseToxic(**self._common(), delay_s=self.delay)


class TimeoutToxic(_OnStream):
    """Lets nothing pass, and closes the connection after `timeout`; `0ms` leaves it open for ever."""

    toxic: Literal["timeout"] = Field(description="the kind of toxic")
    timeout: Time = Field(description="silence before the connection is closed; 0ms: it never is")

    def resolved(self) -> Toxic:
        return resolved.TimeoutToxic(**self._common(), timeout_s=self.timeout)


class ResetPeerToxic(_OnStream):
    """Resets the connection (TCP RST) `timeout` after its first data."""

    toxic: Literal["reset_peer"] = Field(description="the kind of toxic")
    timeout: Time = Field(default=0.0, description="time from the first data to the reset")

    def resolved(self) -> Toxic:
        return resolved.ResetPeerToxic(**self._common(), timeout_s=self.timeout)


class SlicerToxic(_OnStream):
    """Cuts data into small pieces, and waits for `delay` after each."""

    toxic: Literal["slicer"] = Field(description="the kind of toxic")
    average_size: SliceBytes = Field(description="average size of a piece")
    size_variation: Bytes = Field(default=0, description="how far a size may be off; less than the average")
    delay: Pause = Field(default=0.0, description="pause after each piece")

    @model_validator(mode="after")
    def _has_no_empty_pieces(self) -> Self:
        if self.size_variation >= self.average_size:
            raise refusal("a size_variation that is less than the average_size")
        return self

    def resolved(self) -> Toxic:
        return resolved.SlicerToxic(
            **self._common(),
            average_bytes=self.average_size,
            variation_bytes=self.size_variation,
            delay_s=self.delay,
        )


class LimitDataToxic(_OnStream):
    """Closes each connection once `bytes` have passed."""

    toxic: Literal["limit_data"] = Field(description="the kind of toxic")
    bytes: Bytes = Field(description="what each connection lets pass")

    def resolved(self) -> Toxic:
        return resolved.LimitDataToxic(**self._common(), limit_bytes=self.bytes)


class DownToxic(_OnService):
    """Refuses all connections and ends those that are open: no toxic of a stream, but Toxiproxy counts it as one."""

    toxic: Literal["down"] = Field(description="the kind of toxic")

    def resolved(self) -> Toxic:
        return resolved.DownToxic(on=self.on)


_Kind = Literal["latency", "down", "bandwidth", "slow_close", "timeout", "reset_peer", "slicer", "limit_data"]


class UnknownToxic(BaseModel):
    """Stands for a kind that doesn't exist, so that the error is told at its word; nothing is ever one of these."""

    model_config = ConfigDict(extra="allow", strict=True, json_schema_extra={"not": {}})

    toxic: _Kind = Field(description="the kind of toxic")

    def resolved(self) -> Toxic:
        raise AssertionError("a known kind is never an unknown one")


def _variant(value: Any) -> str:
    kind = value.get("toxic") if isinstance(value, dict) else getattr(value, "toxic", None)
    return f"={kind}" if isinstance(kind, str) and kind in get_args(_Kind) else "=unknown"


ToxicDocument = Annotated[
    Annotated[LatencyToxic, Tag("=latency")]
    | Annotated[DownToxic, Tag("=down")]
    | Annotated[BandwidthToxic, Tag("=bandwidth")]
    | Annotated[SlowCloseToxic, Tag("=slow_close")]
    | Annotated[TimeoutToxic, Tag("=timeout")]
    | Annotated[ResetPeerToxic, Tag("=reset_peer")]
    | Annotated[SlicerToxic, Tag("=slicer")]
    | Annotated[LimitDataToxic, Tag("=limit_data")]
    | Annotated[UnknownToxic, Tag("=unknown")],
    Discriminator(_variant),
]


def clashes(owner: Node) -> Iterator[Problem]:
    """Toxics of a site, or of `defaults`, that come twice: Toxiproxy has one of a kind on a stream."""
    toxics = child(owner, "toxics")
    first: dict[tuple[object, ...], Node] = {}
    for entry in toxics.items if isinstance(toxics, Items) else ():
        kind, on, stream = (_written(entry, key) for key in ("toxic", "on", "stream"))
        if kind is None or on is None:
            continue
        same = first.setdefault((kind, on, None if kind == "down" else stream or "downstream"), entry)
        if same is not entry:
            found = f"a second {quoted(str(kind))} on {quoted(str(on))}, the same way"
            where = f"the first is at {same.position.line}:{same.position.column}; make one of them"
            yield Problem.told(entry.position, found, "each kind once on a service and stream", where)


def _written(entry: Node, key: str) -> object:
    found = child(entry, key)
    return found.value if isinstance(found, Scalar) else None
