"""What Toxiproxy is told, what is diverted to it, and which steps lead from some toxics to others."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.errors import CannotHere
from emulator.places import Service
from emulator.topology.resolved import (
    BandwidthToxic,
    Cohort,
    Compute,
    Direction,
    DownToxic,
    Hub,
    LatencyToxic,
    LimitDataToxic,
    Link,
    Pacs,
    ResetPeerToxic,
    Site,
    SlicerToxic,
    SlowCloseToxic,
    TimeoutToxic,
    Topology,
    Toxic,
    Training,
)
from emulator.toxics import divert, ready_to_divert, server_name, servers
from emulator.toxics.api import Differences, decode, differences, encode, key
from emulator.worlds import changes

_ON = st.sampled_from(["dicomweb", "dimse", "hub"])
_SOME_MS = st.integers(0, 600_000).map(lambda number: number / 1000)
_SOME_BYTES = st.integers(1, 2**40)
_COMMON = {"on": _ON, "stream": st.sampled_from(["downstream", "upstream"]), "toxicity": st.floats(0, 1)}
STREAM_TOXICS = st.one_of(
    st.builds(LatencyToxic, **_COMMON, latency_s=_SOME_MS, jitter_s=_SOME_MS),
    st.builds(BandwidthToxic, **_COMMON, rate_bps=st.integers(1, 12_500_000).map(lambda number: 8000 * number)),
    st.builds(SlowCloseToxic, **_COMMON, delay_s=_SOME_MS),
    st.builds(TimeoutToxic, **_COMMON, timeout_s=_SOME_MS),
    st.builds(ResetPeerToxic, **_COMMON, timeout_s=_SOME_MS),
    st.builds(
        SlicerToxic, **_COMMON, average_bytes=_SOME_BYTES, variation_bytes=_SOME_BYTES,
        delay_s=st.integers(0, 10**7).map(lambda number: number / 10**6),
    ),
    st.builds(LimitDataToxic, **_COMMON, limit_bytes=_SOME_BYTES),
)  # fmt: skip
TOXICS = st.lists(STREAM_TOXICS | st.builds(DownToxic, on=_ON), max_size=6, unique_by=key)


def _site(*toxics: Toxic, index: int = 1, name: str = "lyon") -> Site:
    direction = Direction(10**9, 0.001)
    cohort = Cohort("phantom", 2, {"control": 2}, "3T", ("mr",), "single-frame")
    link, pacs = Link("fibre", direction, direction), Pacs("orthanc", "orthanc")
    return Site(index, name, name, "namespace", link, pacs, cohort, Compute(0.03), toxics=toxics)


def _topology(*sites: Site) -> Topology:
    training = Training("dementia", "fedavg", 1, 1, 8, 0.01, 0.25, True)
    return Topology("t", 0, Hub(sites[0].link), sites, training)


@given(toxic=STREAM_TOXICS)
def test_what_toxiproxy_is_told_says_the_same_when_it_tells_it_back(toxic: Toxic) -> None:
    assert not isinstance(toxic, DownToxic)
    assert decode(toxic.on, encode(toxic)) == toxic


def test_toxiproxy_is_told_milliseconds_and_kilobytes_a_second() -> None:
    latency = encode(LatencyToxic(on="hub", latency_s=0.2, jitter_s=0.05, toxicity=0.5, stream="upstream"))
    assert latency == {
        "name": "latency_upstream", "type": "latency", "stream": "upstream", "toxicity": 0.5,
        "attributes": {"latency": 200, "jitter": 50},
    }  # fmt: skip
    assert encode(BandwidthToxic(on="hub", rate_bps=800_000))["attributes"] == {"rate": 100}
    sliced = SlicerToxic(on="hub", average_bytes=9, variation_bytes=3, delay_s=1e-5)
    assert encode(sliced)["attributes"] == {"average_size": 9, "size_variation": 3, "delay": 10}


@given(present=TOXICS, wanted=TOXICS)
def test_differences_lead_from_what_is_on_to_what_is_wanted(present: list[Toxic], wanted: list[Toxic]) -> None:
    steps = differences(present, wanted)
    on = {key(toxic): toxic for toxic in present}
    for toxic in steps.remove:
        del on[key(toxic)]
    for before, after in steps.change:
        assert on[key(after)] == before != after
        on[key(after)] = after
    for toxic in steps.add:
        assert key(toxic) not in on
        on[key(toxic)] = toxic
    assert on == {key(toxic): toxic for toxic in wanted}


@given(toxics=TOXICS)
def test_between_equal_toxics_there_is_nothing_to_do(toxics: list[Toxic]) -> None:
    assert differences(toxics, list(reversed(toxics))) == Differences((), (), ())


def test_only_what_was_asked_for_is_diverted() -> None:
    text = divert(_site(), ["dimse"], only=True).text
    assert "10.0.1.2 . 4242" in text
    assert "8042" not in text
    assert "10.0.0.2" not in text
    assert "add element" not in divert(_site(), [], only=True).text


def test_the_proxies_take_connections_of_the_site_s_worker_only() -> None:
    text = ready_to_divert(_site(index=300)).text
    assert text.count("ip saddr 10.1.44.3 ") == 2
    assert "ct status & dnat == 0 drop" in text


def test_a_site_has_a_server_where_it_has_toxics_and_only_there(monkeypatch: pytest.MonkeyPatch) -> None:
    quiet, loud = _site(name="quiet"), _site(DownToxic(on="hub"), index=2, name="loud")
    monkeypatch.setenv("PATH", "/nonexistent")
    assert servers(_topology(quiet)) == ()
    with pytest.raises(CannotHere, match=r"toxiproxy-server.*\./dev install --tests"):
        servers(_topology(quiet, loud))


def _running(site: Site, *more: str) -> list[Service]:
    return [Service(name, site.name, (), 1) for name in more]


def test_other_toxics_are_a_change_and_equal_ones_are_none() -> None:
    before, after = _site(DownToxic(on="hub")), _site(DownToxic(on="dimse"))
    running = _running(before, server_name(before))
    assert changes(_topology(before), running, _topology(after), []).toxics == ("lyon",)
    assert changes(_topology(before), running, _topology(replace(before, toxics=())), []).toxics == ("lyon",)
    assert not changes(_topology(before), running, _topology(before), []).any


def test_a_toxiproxy_that_has_ended_is_a_change() -> None:
    site = _site(DownToxic(on="hub"))
    assert changes(_topology(site), [], _topology(site), []).toxics == ("lyon",)
