import re
from html.parser import HTMLParser
from pathlib import Path

from face_networks import Recorded

from testbed import report
from testbed.report import pulling
from testbed.report.facts import Facts, read
from testbed.runs import opened

OUTSIDE = re.compile(r"""(?:src|href)\s*=\s*["'](?!\#)|url\((?!\#)|@import|<script|<link|<iframe""", re.IGNORECASE)


class Whole(HTMLParser):
    """Counts elements, and remembers what was opened and not closed."""

    VOID = frozenset({"meta", "br", "hr", "img", "link"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: dict[str, int] = {}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen[tag] = self.seen.get(tag, 0) + 1
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def facts(run: str) -> Facts:
    return read(opened(run))


def test_the_page_asks_nothing_of_the_network_and_runs_nothing(recorded: Recorded) -> None:
    page = report.single(facts(recorded()))
    assert not OUTSIDE.search(re.sub(r'xmlns(:\w+)?="[^"]+"', "", page))


def test_every_element_of_the_page_is_closed_and_every_plot_is_there(recorded: Recorded) -> None:
    whole = Whole(report.single(facts(recorded())))
    assert whole.open == []
    assert whole.seen["svg"] == 6


def test_the_same_record_gives_the_same_page(recorded: Recorded) -> None:
    run = recorded()
    assert report.single(facts(run)) == report.single(facts(run))


def test_phantoms_are_never_presented_as_patients(recorded: Recorded) -> None:
    assert "All studies are phantoms" in report.single(facts(recorded()))


def test_who_was_missing_is_said_with_the_reason_and_can_not_write_html(recorded: Recorded) -> None:
    page = report.single(facts(recorded(why="<b>link</b> down")))
    assert "mobile-06: &lt;b&gt;link&lt;/b&gt; down" in page


def test_what_is_shown_of_bytes_is_what_was_counted(recorded: Recorded) -> None:
    found = facts(recorded(rounds=3, sites=6))
    one_site_one_round = 75_000 + 3_000 + 3_000 + 75_000
    assert found.wire() == one_site_one_round * (6 * 3 - 1)  # one site was missing from one round
    assert sum(sum(purposes.values()) for purposes in found.by_site.values()) == found.wire()
    assert sum(sum(purposes.values()) for purposes in found.by_round.values()) == found.wire()


def test_each_kind_of_pacs_has_its_cost_and_the_quickest_comes_first(recorded: Recorded) -> None:
    found = facts(recorded(sites=6))
    rows = [[cell.text for cell in row] for row in pulling.differences(found).rows]
    assert [row[:5] for row in rows] == [
        ["modern", "orthanc", "4", "4", "wado-rs"],
        ["old", "dcmqrscp", "2", "2", "c-move"],
    ]
    assert [row[5:7] for row in rows] == [["500 ms", "500 ms"], ["4.0 s", "2.0 s"]]
    assert [row[9:11] for row in rows] == [["0", "0"], ["6", "2"]]
    assert "DICOMweb: &lt;none&gt;" in report.single(found)


def test_a_run_without_a_whole_round_has_a_page_too(recorded: Recorded) -> None:
    page = report.single(facts(recorded(rounds=0)))
    assert "No round has ended yet" in page
    assert Whole(page).open == []


def test_one_site_and_a_thousand_sites_can_be_drawn(recorded: Recorded) -> None:
    for run, sites in (("20261124-000000-aaaa", 1), ("20261124-000000-bbbb", 1000)):
        page = report.single(facts(recorded(run, rounds=1, sites=sites)))
        assert Whole(page).seen["svg"] == 6


def test_several_runs_are_laid_over_one_another_and_what_differs_is_listed(recorded: Recorded) -> None:
    runs = [recorded("20261124-000000-aaaa", rounds=2), recorded("20261124-000000-bbbb", rounds=3, sites=9)]
    page = report.compared([facts(run) for run in runs])
    whole = Whole(page)
    assert whole.open == []
    assert whole.seen["svg"] == 4
    assert all(run in page for run in runs)
    assert re.search(r"<td>sites</td><td>6</td><td>9</td>", page)


def test_the_page_is_written_into_the_runs_own_folder(recorded: Recorded, home: Path) -> None:
    from testbed.commands.report import write

    run = recorded()
    assert write((), None) == home / "runs" / run / "report.html"
