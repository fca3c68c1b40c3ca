"""Reading YAML: every text is read or refused with its place, and soon."""

import time
from pathlib import Path

import pytest
from topology_texts import Load, Refuse

from emulator.errors import WrongInput
from emulator.topology import Known, load
from emulator.topology.parsing import MOST_NODES, parse
from emulator.topology.scalars import value_of
from emulator.topology.tree import Entries, at

SITES = "name: x\nsites: [{name: a}]\n"
SOON_S = 60.0  # what takes 3 s here may take longer on a busy machine; unbounded, these take minutes to centuries


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "x.yaml:1:1: found an empty document; expected a mapping with 'name' and 'sites'"),
        ("# only a comment\n", "x.yaml:1:1: found an empty document"),
        ("[1, 2]", "x.yaml:1:1: found a list; expected a mapping"),
        ("hello", "x.yaml:1:1: found 'hello'; expected a mapping"),
        ("name: x\n\tsites: []", "x.yaml:2:1: found a tab; expected YAML; indent with spaces"),
        ("name: x\nsites: [{name: a}", "found a '[' that is not closed; expected YAML; write ',' between items"),
        ("name: x\nlinks: {a: {rate: 1mbit\n", "found a '{' that is not closed"),
        ("name: 'x\n\nsites: []", "a text whose quote is not closed; expected YAML; close the quote (it begins at 1:7"),
        ("name: a: b", "x.yaml:1:8: found a ': ' where no key can stand"),
        ("name: x\n---\nname: y", "x.yaml:2:1: found a second document"),
        ("name: *x", "x.yaml:1:7: found the alias '*x'; expected an anchor of that name before it"),
        ("a: &a [*a]", "x.yaml:1:8: found the alias '*a' inside of what it stands for"),
        ("a: !!python/object:os.system x", "x.yaml:1:4: found a tag ('!…')"),
        ("? [a]\n: b", "x.yaml:1:3: found a list as a key; expected a word"),
        ('a: "\\ud800"', "x.yaml:1:4: found half of a surrogate pair"),
        ('a: "\\UFFFFFFFF"', "found what no YAML parser reads (a malformed escape)"),
        ("a: \x00", "x.yaml:1:4: found the character U+0000; expected printable text"),
        ("%YAML 3.0\n---\na: b", "found a document of another YAML version"),
        ("a: &b 1\n<<: *b", "x.yaml:2:1: found '<<'; YAML 1.2 merges no mappings"),
        ("name: @x", "x.yaml:1:7: found a value that begins with '@'; expected YAML; put it in quotes"),
    ],
)  # fmt: skip
def test_what_is_no_topology_at_all_is_refused_at_its_place(refused: Refuse, text: str, problem: str) -> None:
    assert any(problem in line for line in refused(text)), refused(text)


def test_bytes_that_are_not_utf_8_are_refused_at_their_place(refused: Refuse) -> None:
    assert refused(b"name: x\nhub: \xe9") == (
        "x.yaml:2:6: found the byte 0xe9; expected UTF-8 text; save the file as UTF-8",
    )


def test_utf_16_is_refused(refused: Refuse) -> None:
    assert "expected UTF-8" in refused(SITES.encode("utf-16"))[0]


def test_a_byte_order_mark_is_read_over(loaded: Load) -> None:
    assert loaded(b"\xef\xbb\xbf" + SITES.encode()).name == "x"


def test_windows_line_ends_are_line_ends(loaded: Load, refused: Refuse) -> None:
    assert loaded(SITES.replace("\n", "\r\n")).name == "x"
    assert refused("name: x\r\nsites: [{name: a}]\r\nsede: 3")[0].startswith("x.yaml:3:1: sede")


def test_columns_count_characters_not_bytes(refused: Refuse) -> None:
    assert refused("name: x\nsites: [{name: a, link: 'é'}, {name: b, link: q}]")[1].startswith("x.yaml:2:47:")


def test_a_key_written_twice_is_refused_with_both_places(refused: Refuse) -> None:
    problem = "x.yaml:3:1: found the key 'sites' again; expected each key once; the first is at 2:1"
    assert refused(SITES + "sites: []\n") == (problem,)


def test_a_key_written_twice_deep_inside_is_refused_too(refused: Refuse) -> None:
    text = "name: x\nsites: [{name: a, cohort: {studies: 3, studies: 4}}]"
    assert refused(text) == (
        "x.yaml:2:40: found the key 'studies' again; expected each key once; the first is at 2:28",
    )


def test_an_alias_stands_for_what_it_names(loaded: Load) -> None:
    topology = loaded("name: x\nsites:\n- {name: a, cohort: &c {studies: 9}}\n- {name: b, cohort: *c}")
    assert [site.cohort.studies for site in topology.sites] == [9, 9]


def _billion_laughs() -> str:
    levels = [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 15)]
    return "\n".join(["a0: &a0 [lol]", *levels])


def _links_and_sites_of_unknown_links() -> str:
    links = "".join(f"  k{n}: {{rate: 1mbit, rtt: 1ms}}\n" for n in range(8000))
    return f"name: x\nlinks:\n{links}sites:\n" + "".join(f"- {{name: a, link: kk{n}}}\n" for n in range(8000))


BOMBS = {
    "billion laughs": _billion_laughs(),
    "a chain of aliases": "a0: &a0 [1]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 1000)),
    "deep flow": "[" * 1_000_000,
    "deep mappings": "{a: " * 200_000,
    "deep blocks": "- " * 500_000,
    "a long tag": "!" + "a" * 1_000_000,
    "many values": "[" + "1," * 500_000,
    "many keys": "{" + ",".join(f"k{n}: v" for n in range(90_000)) + "}",
    "a long number": "name: " + "9" * 1_000_000,
    "unknown keys at many sites": "name: x\nsites:\n" + "- {nam: a, q: 3}\n" * 16_000,
    "a long group name": "name: x\nsites: [{group: " + "a" * 900_000 + ", count: 2000}]",
    "many groups": "name: x\nsites:\n" + "- {group: a, count: 2000}\n" * 10_000,
    "many unknown words": _links_and_sites_of_unknown_links(),
}


@pytest.mark.parametrize("name", BOMBS)
def test_no_text_takes_long_to_refuse_or_to_tell_of(refused: Refuse, name: str) -> None:
    begin = time.monotonic()
    problems = refused(BOMBS[name])
    assert time.monotonic() - begin < SOON_S
    assert len(problems) <= 51
    assert max(map(len, problems)) < 1000


def test_an_alias_counts_as_all_that_it_stands_for() -> None:
    tree, _ = parse("a: &a [1, 2, 3]\nb: *a\n")
    assert tree.size == 1 + 2 + 2 * 4
    assert tree.size < MOST_NODES


def test_a_file_of_more_than_a_mebibyte_is_refused(refused: Refuse) -> None:
    assert "more than 1 MiB; expected a topology, which is smaller" in refused("#" * (1 << 20) + "\n")[0]


def test_a_file_without_end_is_refused(known: Known) -> None:
    with pytest.raises(WrongInput, match="more than 1 MiB"):
        load(Path("/dev/zero"), known)


def test_a_file_that_is_not_there_is_answered_with_its_neighbour(known: Known, tmp_path: Path) -> None:
    (tmp_path / "hospitals.yaml").touch()
    with pytest.raises(WrongInput, match=r"No such file.*did you mean '.*hospitals\.yaml'"):
        load(tmp_path / "hospital.yaml", known)


def test_a_folder_is_refused(known: Known, tmp_path: Path) -> None:
    with pytest.raises(WrongInput, match="can't be read: Is a directory"):
        load(tmp_path, known)


def test_a_name_that_no_file_can_have_is_refused(known: Known) -> None:
    with pytest.raises(WrongInput, match="no file can have this name"):
        load(Path("a\0b"), known)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None), ("~", None), ("null", None), ("true", True), ("False", False), ("12", 12), ("-3", -3), ("0o17", 15),
        ("0xff", 255), ("1.5", 1.5), (".5", 0.5), ("1e3", 1000.0), ("yes", "yes"), ("on", "on"), ("1:30", "1:30"),
        ("3T", "3T"), ("1_000", "1_000"), ("2026-11-24", "2026-11-24"), ("017", 17), ("1.5T", "1.5T"), ("40ms", "40ms"),
    ],
)  # fmt: skip
def test_unquoted_values_mean_what_yaml_1_2_says(text: str, value: object) -> None:
    assert value_of(text) == value
    assert type(value_of(text)) is type(value)


def test_quoted_values_are_texts() -> None:
    tree, _ = parse("a: '12'\nb: \"true\"\nc: |\n  null\n")
    assert tree.plain() == {"a": "12", "b": "true", "c": "null\n"}


def test_every_value_keeps_its_place() -> None:
    tree, problems = parse("a:\n  - b: 1\n    c: [x, y]\n")
    assert not problems
    assert isinstance(tree, Entries)
    y = at(tree, ("a", 0, "c", 1))
    assert (y.position.line, y.position.column) == (3, 12)
