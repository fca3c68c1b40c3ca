"""Links that change over time, as they are written: schedules, traces, and changes that are typed."""

import runpy
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from topology_texts import Load, Refuse, load_text

from emulator.errors import WrongInput
from emulator.topology import Change, Known, Link, Topology, dump, load, parse_change, revive, traces
from emulator.topology.reading import WrongFile
from emulator.topology.resolved import Episode, GilbertElliott, Trace
from emulator.topology.units import DURATION, RATE


def _text(keys: str) -> str:
    return f"name: x\nlinks: {{f: {{rate: 9mbit, rtt: 20ms, {keys}}}}}\nsites: [{{name: a, link: f}}]"


def _link(loaded: Load, keys: str) -> Link:
    return loaded(_text(keys)).sites[0].link


def test_an_episode_says_what_is_other_and_when(loaded: Load) -> None:
    link = _link(loaded, "schedule: [{at: 30s, for: 10s, every: 5min, rate: 1mbit, rtt: 60ms, up: {loss: 20%}}]")
    down, up = Change(rate_bps=1_000_000, delay_s=0.03), Change(rate_bps=1_000_000, delay_s=0.03, loss=0.2)
    assert link.schedule == (Episode(30.0, 10.0, 300.0, down, up),)
    assert link.varies


def test_an_episode_may_be_for_good_and_may_lose_everything(loaded: Load) -> None:
    (episode,) = _link(loaded, "schedule: [{at: 1min, loss: 100%}]").schedule
    assert (episode.for_s, episode.every_s, episode.down.loss) == (None, None, 1.0)


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        (
            "schedule: [{for: 5s, rate: 1mbit}]",
            "schedule.1.at: found no 'at'; expected 'at: …' in this mapping; add it",
        ),
        ("schedule: [{at: 5s, for: 9s}]", "schedule.1: found a mapping; expected values that are other meanwhile"),
        ("schedule: [{at: 5s, every: 9s, loss: 1%}]", "expected a 'for' that is at most 'every'"),
        ("schedule: [{at: 5s, for: 10s, every: 9s, loss: 1%}]", "expected a 'for' that is at most 'every'"),
        ("schedule: [{at: -5s, loss: 1%}]", "schedule.1.at: found '-5s'; expected a duration from 0s"),
        ("schedule: [{at: 5, loss: 1%}]", "the unit is missing: write 5 with one of us, ms, s, min"),
        ("schedule: [{at: 5s, loss: {p13: 1%, p31: 9%}}]", "expected a share such as 5%"),
        ("schedule: [{at: 5s, rtt: 4ms, jitter: 3ms}]", "expected episodes with a jitter of at most half their rtt"),
        ("schedule: [{at: 5s, rate: 1mbit, queue: {}}]", "found the key 'queue'"),
        ("trace: {file: a, down: b}", "expected either 'file' (both directions), or 'down', 'up' or both"),
        ("trace: {}", "expected either 'file' (both directions), or 'down', 'up' or both"),
        ("trace: {file: nowhere.csv}", "links.f.trace.file: found 'No such file or directory' of 'nowhere.csv'"),
    ],
)
def test_what_is_wrong_in_a_link_that_varies_is_told_with_its_place(refused: Refuse, keys: str, told: str) -> None:
    (line,) = refused(_text(keys))
    assert line.startswith("x.yaml:2:")
    assert told in line


def test_links_that_many_share_do_not_vary(refused: Refuse) -> None:
    (line,) = refused(_text("schedule: [{at: 1s, loss: 1%}]") + "\nhub: {link: f}")
    assert "many sites share it" in line


def _trace(known: Known, folder: Path, content: str, keys: str = "trace: {file: t}") -> Topology:
    (folder / "t").write_text(content)
    return load_text(_text(keys), known, folder)


def test_a_table_holds_each_row_until_the_next_and_begins_again_at_the_last(known: Known, tmp_path: Path) -> None:
    content = "# a comment\ntime,rate,delay,loss\n0s,5mbit,10ms,1%\n2s,0bit,,\n2.5s,,,\n"
    topology = _trace(known, tmp_path, content, "trace: {up: t}")
    assert topology.traces == {"t": Trace(2.5, (0.0, 2.0), (5_000_000, 0), (0.01, None), (0.01, None))}
    link = topology.sites[0].link
    assert (link.down_trace, link.up_trace) == ("", "t")
    assert repr(revive(dump(topology))) == repr(topology)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "found no line with anything in it of 't'"),
        ("time,rate\n0s,1mbit\n2s,2mbit\n1s,3mbit\n", "found the time '1s' after 2s in line 4 of 't'"),
        ("time,rate\n0s,1mbit\n0s,2mbit\n", "time never runs back"),
        ("time,rate\n1s,1mbit\n2s,2mbit\n", "'1s' as the first time in line 2 of 't'"),
        ("time,rate\n0s,1mbit\n2s,2\n", "found '2' in line 3 of 't'; expected a trace; the unit is missing"),
        ("time,rate\n0s,1mbit\n2s,200gbit\n", "found the rate '200gbit' in line 3"),
        ("time,loss\n0s,-1%\n2s,\n", "found the loss '-1%' in line 2"),
        ("time,rate\n0s,1mbit,9ms\n2s,2mbit\n", "found 3 values in line 2"),
        ("time,rate\n0s,1mbit\n", "found one moment at most"),
        ("time,rtt\n0s,9ms\n", "found the header 'time,rtt' in line 1"),
        ("fast\n", "found the header 'fast' in line 1"),
        ("1\n2\n9\n8\n", "found 8 after 9 in line 4 of 't'; expected a trace; time never runs back"),
        ("1\n2\nfast\n", "found 'fast' in line 3"),
        ("0\n0\n", "found a last moment of 0"),
        ("1\n999999999999\n", "found more than a week"),
    ],
)
def test_a_file_that_is_no_trace_is_told_with_its_line(known: Known, tmp_path: Path, content: str, told: str) -> None:
    with pytest.raises(WrongInput) as caught:
        _trace(known, tmp_path, content)
    assert "x.yaml:2:" in str(caught.value)
    assert told in str(caught.value)


def test_deliveries_become_rates_in_bins(known: Known, tmp_path: Path) -> None:
    deliveries = [50, 50, 100, *range(200, 400), 1000]
    trace = _trace(known, tmp_path, "\n".join(map(str, deliveries))).traces["t"]
    assert trace.period_s == 1.0
    assert trace.at_s == (0.0, 0.2, 0.4, 0.8)
    assert trace.rate_bps == (180_000, 12_000_000, 0, 60_000)


@given(st.lists(st.integers(0, 30_000), min_size=1, max_size=300).map(sorted).filter(lambda moments: moments[-1] > 0))
def test_no_delivery_is_lost_in_bins(moments_ms: list[int]) -> None:
    found = traces.trace("\n".join(map(str, moments_ms)))
    ends = [*found.at_s[1:], found.period_s]
    bits = sum((rate or 0) * (end - at) for rate, at, end in zip(found.rate_bps, found.at_s, ends, strict=True))
    assert bits == pytest.approx(len(moments_ms) * traces.PACKET_BYTES * 8, rel=1e-3, abs=len(ends))


_ROWS = st.lists(
    st.tuples(st.integers(1, 5000), st.none() | st.integers(1_000, 10**11), st.none() | st.integers(0, 5_000_000)),
    min_size=1,
    max_size=30,
)


@given(_ROWS)
def test_a_table_is_read_as_it_was_written(rows: list[tuple[int, int | None, int | None]]) -> None:
    lines, at_ms = ["time,rate,delay"], 0
    for lasts_ms, rate, delay_us in rows:
        rate_cell = "" if rate is None else RATE.render(Decimal(rate))
        delay_cell = "" if delay_us is None else DURATION.render(Decimal(delay_us) / 10**6)
        lines.append(f"{at_ms}ms,{rate_cell},{delay_cell}")
        at_ms += lasts_ms
    found = traces.trace("\n".join([*lines, f"{at_ms}ms,,"]))
    assert found.rate_bps == tuple(rate for _, rate, _ in rows)
    assert found.delay_s == pytest.approx([None if us is None else us / 1e6 for _, _, us in rows])
    assert found.period_s == pytest.approx(at_ms / 1000)


@given(st.text(max_size=80))
def test_any_text_is_a_trace_or_is_refused(text: str) -> None:
    try:
        found = traces.trace(text)
    except WrongFile:
        return
    assert found.period_s > 0
    assert found.at_s[0] == 0


def test_a_change_is_typed_as_topologies_are_written() -> None:
    down, up = parse_change({"rate": "5mbit", "rtt": "80ms", "loss": "{mean: 5%, burst: 4}"})
    assert down == up
    assert (down.rate_bps, down.delay_s, down.jitter_s) == (5_000_000, 0.04, None)
    assert isinstance(down.bursts, GilbertElliott)
    down, up = parse_change({"down": "2mbit", "up": "{delay: 9ms, reorder: 1%}"})
    assert (down, up) == (Change(rate_bps=2_000_000), Change(delay_s=0.009, reorder=0.01))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (
            {"rate": "5"},
            "--rate: found '5'; expected a rate from 1kbit to 100gbit, such as 100mbit; the unit is missing",
        ),
        ({"rtt": "11s"}, "--rtt: found '11s'; expected a duration from 0ms to 10s, such as 40ms"),
        ({"loss": "101%"}, "--loss: found '101%'; expected a share from 0% to 100%"),
        ({"up": "{los: 1%}"}, "--up.los: found the key 'los'"),
        ({"up": "{loss"}, "--up: found a '{' that is not closed"),
        ({"loss": "{mean: 5%, mean: 6%, burst: 2}"}, "--loss: found the key 'mean' again"),
        ({"jitter": "x\ny"}, r"--jitter: found 'x\ny'"),
    ],
)
def test_a_change_that_is_typed_wrong_is_told_as_in_a_topology(options: dict[str, str], told: str) -> None:
    with pytest.raises(WrongInput) as caught:
        parse_change(options)
    assert str(caught.value).startswith(told)


def test_all_that_is_wrong_in_a_change_is_told_at_once() -> None:
    with pytest.raises(WrongInput) as caught:
        parse_change({"rate": "5", "jitter": "-1ms"})
    assert len(str(caught.value).splitlines()) == 2


def test_the_shipped_varying_topology_uses_both_of_our_traces(known: Known, shipped_topologies: Path) -> None:
    topology = load(shipped_topologies / "varying.yaml", known)
    assert {*topology.traces} == {"traces/lte.down", "traces/lte.up", "traces/busy-hour.csv"}
    lte = topology.traces["traces/lte.down"]
    assert lte.period_s == 60
    assert 0 in lte.rate_bps  # it changes cells
    assert sum(1 for site in topology.sites if site.link.varies) == 3


def test_the_shipped_traces_are_what_the_script_beside_them_makes(shipped_topologies: Path) -> None:
    folder = shipped_topologies / "traces"
    made = runpy.run_path(str(folder / "make.py"))["made"]()
    assert {*made} == {"lte.down", "lte.up", "busy-hour.csv"}
    for name, text in made.items():
        assert (folder / name).read_text() == text
