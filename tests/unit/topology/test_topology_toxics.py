"""Toxics as they are written: typed by kind, resolved with their units, refused with their place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from topology_texts import Load, Refuse

from emulator.topology import dump, revive
from emulator.topology.resolved import (
    BandwidthToxic,
    DownToxic,
    LatencyToxic,
    LimitDataToxic,
    ResetPeerToxic,
    SlicerToxic,
    SlowCloseToxic,
    TimeoutToxic,
    Toxic,
)

EACH_KIND: list[tuple[str, Toxic]] = [
    (
        "on: dicomweb, toxic: latency, latency: 200ms, jitter: 50ms, stream: upstream, toxicity: 50%",
        LatencyToxic(on="dicomweb", stream="upstream", toxicity=0.5, latency_s=0.2, jitter_s=0.05),
    ),
    ("on: hub, toxic: bandwidth, rate: 800kbit", BandwidthToxic(on="hub", rate_bps=800_000)),
    ("on: dimse, toxic: slow_close, delay: 2s", SlowCloseToxic(on="dimse", delay_s=2.0)),
    ("on: hub, toxic: timeout, timeout: 0ms", TimeoutToxic(on="hub", timeout_s=0.0)),
    ("on: hub, toxic: reset_peer", ResetPeerToxic(on="hub")),
    (
        "on: dimse, toxic: slicer, average_size: 1kB, size_variation: 100B, delay: 10us",
        SlicerToxic(on="dimse", average_bytes=1000, variation_bytes=100, delay_s=1e-5),
    ),
    ("on: dicomweb, toxic: limit_data, bytes: 2MiB", LimitDataToxic(on="dicomweb", limit_bytes=2_097_152)),
    ("on: dimse, toxic: down", DownToxic(on="dimse")),
]


def _site(*toxics: str) -> str:
    return f"name: x\nsites: [{{name: a, toxics: [{', '.join(f'{{{toxic}}}' for toxic in toxics)}]}}]\n"


@pytest.mark.parametrize(("text", "toxic"), EACH_KIND)
def test_each_kind_is_resolved_to_what_it_says(loaded: Load, text: str, toxic: Toxic) -> None:
    assert loaded(_site(text)).sites[0].toxics == (toxic,)


def test_a_kept_topology_comes_back_with_all_its_toxics(loaded: Load) -> None:
    topology = loaded(_site(*(text for text, _ in EACH_KIND)))
    assert len(topology.sites[0].toxics) == len(EACH_KIND)
    assert revive(dump(topology)) == topology


def test_a_site_has_the_default_toxics_until_it_has_a_list_of_its_own(loaded: Load) -> None:
    text = """
name: x
defaults: {toxics: [{on: hub, toxic: down}]}
sites:
  - {group: g, count: 2}
  - {name: own, toxics: [{on: dimse, toxic: down}]}
  - {name: none, toxics: []}
"""
    assert [site.toxics for site in loaded(text).sites] == [
        (DownToxic(on="hub"),), (DownToxic(on="hub"),), (DownToxic(on="dimse"),), ()
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("toxic", "problem"),
    [
        (
            "on: dicomwbe, toxic: down",
            "x.yaml:2:33: site 'a': toxics.1.on: found 'dicomwbe'; expected 'dicomweb', 'dimse' or 'hub'; did you mean "
            "'dicomweb'?",
        ),
        (
            "on: hub, toxic: latencey, latency: 2ms",
            "x.yaml:2:45: site 'a': toxics.1.toxic: found 'latencey'; expected 'latency', 'down', 'bandwidth', "
            "'slow_close', 'timeout', 'reset_peer', 'slicer' or 'limit_data'; did you mean 'latency'?",
        ),
        ("on: hub", "x.yaml:2:28: site 'a': toxics.1.toxic: found no 'toxic'; expected 'toxic: …' in this mapping"),
        ("on: hub, toxic: latency", "toxics.1.latency: found no 'latency'; expected 'latency: …'"),
        (
            "on: hub, toxic: reset_peer, timout: 3ms",
            "x.yaml:2:57: site 'a': toxics.1.timout: found the key 'timout'; expected a key that is known here; did "
            "you mean 'timeout'? Known: on, stream, timeout, toxic, toxicity",
        ),
        (
            "on: hub, toxic: down, stream: upstream",
            "found the key 'stream'; expected a key that is known here; Known: on, toxic",
        ),
        ("on: hub, toxic: latency, latency: 0.5ms", "latency: found '0.5ms'; expected a duration from 0ms to 10min"),
        ("on: hub, toxic: latency, latency: 1ms, jitter: 2ms", "expected a jitter of at most the latency"),
        ("on: hub, toxic: bandwidth, rate: 100kbit", "found '100kbit'; expected a rate from 8kbit to 100gbit"),
        ("on: hub, toxic: bandwidth, rate: 100kbit", "it is counted in steps of 8kbit"),
        ("on: hub, toxic: limit_data, bytes: 2mib", "a size from 0B to 1TiB, such as 2MiB; did you mean '2MiB'?"),
        ("on: hub, toxic: limit_data, bytes: 0.5B", "it is counted in steps of 1B"),
        ("on: hub, toxic: slicer, average_size: 9B, size_variation: 9B", "that is less than the average_size"),
        ("on: hub, toxic: timeout, timeout: 1s, toxicity: 101%", "expected a share from 0% to 100%"),
        ("on: hub, toxic: timeout, timeout: 1s, stream: upstrem", "'downstream' or 'upstream'; did you mean 'upstr"),
    ],
)
def test_what_is_wrong_is_told_at_its_place(refused: Refuse, toxic: str, problem: str) -> None:
    assert any(problem in line for line in refused(_site(toxic))), refused(_site(toxic))


def test_the_same_kind_twice_on_one_stream_is_told_at_the_second(refused: Refuse) -> None:
    one, other = "on: hub, toxic: latency, latency: 1ms", "on: hub, toxic: latency, latency: 2ms, stream: downstream"
    (line,) = refused(_site(one, other))
    assert line.startswith("x.yaml:2:69: found a second 'latency' on 'hub', the same way; expected each kind once")
    assert "the first is at 2:28" in line


def test_the_same_kind_both_ways_and_on_two_services_is_fine(loaded: Load) -> None:
    ways = (
        f"on: {on}, toxic: timeout, timeout: 1s, stream: {way}stream"
        for on in ("hub", "dimse")
        for way in ("up", "down")
    )
    assert len(loaded(_site(*ways)).sites[0].toxics) == 4


@given(milliseconds=st.integers(0, 600_000))
def test_every_whole_number_of_milliseconds_is_taken_as_it_is(loaded: Load, milliseconds: int) -> None:
    (toxic,) = loaded(_site(f"on: hub, toxic: timeout, timeout: {milliseconds}ms")).sites[0].toxics
    assert isinstance(toxic, TimeoutToxic)
    assert round(toxic.timeout_s * 1000) == milliseconds
    assert toxic.timeout_s == milliseconds / 1000
