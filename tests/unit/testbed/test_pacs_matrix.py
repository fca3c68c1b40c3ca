"""What is told of probed PACS: every capability, and no more columns than there are differences."""

import json
from dataclasses import asdict, replace
from pathlib import Path

from face_networks import network

from nodes.probe import Capabilities
from nodes.probe.capabilities import Dimse, Qido, Web, columns
from testbed import matrix, probing
from testbed.pacs_reference import PARTS, page, told_on_the_page

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "pacs.md"
WEB = Web(answers=True, first_byte_s=0.01, qido=Qido(page=100, keys=(), limit=False))
FOUND = Capabilities(WEB, Dimse(answers=True, max_pdu=0), 1.0, ("lyon/pacs: C-GET: odd",))


def _labels(text: str) -> list[str]:
    lines = [line.split(" | ")[0].removeprefix("| ") for line in text.splitlines() if line.startswith("| ")]
    return [label for label in lines if label not in ("---", "|")]


def test_the_shipped_page_has_a_row_for_everything_that_probing_finds_out() -> None:
    told = [
        label for prefix, _ in PARTS for path, label in told_on_the_page() if path.rpartition(".")[0] + "." == prefix
    ]
    assert len(told) == len(told_on_the_page())
    shipped = _labels(PAGE.read_text(encoding="utf-8"))
    assert shipped == told, "run: python -m testbed.pacs_reference > docs/reference/pacs.md"


def test_the_page_tells_each_flavour_s_answers_and_findings() -> None:
    text = page({"one (1.0)": FOUND, "two (2.0)": replace(FOUND, web=None, findings=())})
    assert "| | one (1.0) | two (2.0) |" in text
    assert "| most rows at once | 100 | – |" in text
    assert "| `limit` kept | no | – |" in text
    assert "| largest PDU | 0 | 0 |" in text
    assert "- one (1.0): C-GET: odd" in text


def test_every_capability_has_a_label_of_its_own() -> None:
    labels = [label for _, label in columns()]
    assert len(set(labels)) == len(labels)


def test_what_is_not_found_out_is_not_no() -> None:
    assert matrix.shown("web.stow", None) == "–"
    assert matrix.shown("web.stow", False) == "no"
    assert matrix.shown("web.qido.keys", ()) == "none"
    assert matrix.shown("web.idle_close_s", 0.5) == "500 ms"


def test_sites_that_were_found_alike_share_a_column_whatever_their_timings() -> None:
    slower = replace(FOUND, web=replace(WEB, first_byte_s=0.2), took_s=2.0)
    other = replace(FOUND, web=replace(WEB, stow=True))
    profiles = {"a": "modern", "b": "modern", "c": "modern", "d": "legacy"}
    kinds = matrix.kinds(profiles, {"a": FOUND, "b": slower, "c": other, "d": FOUND})
    assert [(kind.profile, kind.sites) for kind in kinds] == [
        ("modern", ("a", "b")),
        ("modern", ("c",)),
        ("legacy", ("d",)),
    ]
    assert [kind.title for kind in kinds] == ["modern (a and 1 more)", "modern (c)", "legacy (d)"]


def test_a_run_gets_the_answers_of_the_pacs_that_it_starts_on_and_of_no_others(tmp_path: Path) -> None:
    world, run, other = (tmp_path / name for name in ("world", "run", "other"))
    for folder in (world, run, other):
        folder.mkdir()
    topology = network(2)
    probing.hand_on(world, topology, run)
    assert not (run / probing.KEPT).exists()
    sites = [{"site": site.name, "pacs": asdict(site.pacs), "answers": True} for site in topology.sites]
    (world / probing.KEPT).write_text(json.dumps({"world": "w", "sites": sites}))
    probing.hand_on(world, topology, run)
    assert (run / probing.KEPT).read_bytes() == (world / probing.KEPT).read_bytes()
    probing.hand_on(world, network(3), other)
    assert not (other / probing.KEPT).exists()


def test_tables_of_many_pacs_are_no_wider_than_they_may_be_and_every_pacs_is_in_one() -> None:
    rows = [("syntaxes", ["x" * 40, "yes", "no", "y" * 20, "no"]), ("paging", ["no"] * 4 + ["yes"])]
    titles = ["one", "a kind with a long name", "three", "four", "five"]
    for width in (40, 80, 120):
        places = [*matrix.side_by_side(titles, rows, width, 27)]
        assert [place for group in places for place in group] == [0, 1, 2, 3, 4]
        for group in places:
            longest = [max(len(titles[n]), *(len(cells[n]) for _, cells in rows)) for n in group]
            assert len(group) == 1 or 10 + sum(min(27, one) + 2 for one in longest) <= width
    assert matrix.shared(rows) == ([], rows)
    assert matrix.shared([("same", ["no", "no"])]) == ([("same", ["no", "no"])], [])
