"""What is said about a document that is wrong: every problem at once, each with its place, and what to do."""

from pathlib import Path

import pytest
from topology_texts import Refuse, load_text

from emulator.errors import TopologyErrors
from emulator.topology import Known


def _one(entry: str) -> str:
    return f"name: x\nsites:\n- {{name: a, {entry} }}\n"


def _cohort(text: str) -> str:
    return _one(f"cohort: {{{text}}}")


def _link(text: str) -> str:
    return f"name: x\nlinks: {{f: {{{text}}}}}\nsites: [{{name: a}}]\n"


def _sites(text: str) -> str:
    return f"name: x\nsites: [{text}]\n"


def _and(text: str) -> str:
    return f"name: x\nsites: [{{name: a}}]\n{text}\n"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            _one("link: adls"),
            "x.yaml:3:19: site 'a': link: found 'adls'; expected a link profile; did you mean 'adsl'? Known: 4g, 5g,",
        ),
        (
            "name: x\nlinks:\n  slow: {rate: -5mbit, rtt: 3ms}\nsites: [{name: a}]",
            "x.yaml:3:16: links.slow.rate: found '-5mbit'; expected a rate from 1kbit to 100gbit, such as 100mbit",
        ),
        (
            _cohort("studies: 0"),
            "x.yaml:3:31: site 'a': cohort.studies: found '0'; expected a number of studies from 1 to 5000",
        ),
        (
            _sites("{name: a}, {name: b}, {name: a}"),
            "x.yaml:2:38: found a second site of the name 'a'; expected each name once; the first is at 2:16",
        ),
        (
            "name: x\nlinks: {slow: {rate: 5MB, rtt: 3ms}}\nsites: [{name: a}]",
            "x.yaml:2:22: links.slow.rate: found '5MB'; expected a rate from 1kbit to 100gbit, such as 100mbit; did "
            "you mean '5mbit'? The units are bit, kbit, mbit, gbit",
        ),
        (
            "name: x\nlinks: {slow: {rate: 5mbit, rtt: 40}}\nsites: [{name: a}]",
            "x.yaml:2:34: links.slow.rtt: found '40'; expected a duration from 0ms to 10s, such as 40ms; the unit is "
            "missing: write 40 with one of us, ms, s, min",
        ),
        (
            "name: x\nlinks: {slow: {rate: 5mbit, rtt: 4ms, loss: 0.1}}\nsites: [{name: a}]",
            "links.slow.loss: found '0.1'; expected a share from 0% to 50%, such as 0.1%; the unit is missing",
        ),
    ],
)
def test_the_usual_mistakes_are_told_in_these_words(refused: Refuse, text: str, problem: str) -> None:
    (line,) = refused(text)
    assert problem in line


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "nmae: x\nsites: [{name: a}]",
            "x.yaml:1:1: nmae: found the key 'nmae'; expected a key that is known here; did you mean 'name'?",
        ),
        (
            "nmae: x\nsites: [{name: a}]",
            "x.yaml:1:1: name: found no 'name'; expected 'name: …' in this mapping; rename 'nmae'",
        ),
        ("name: x", "sites: found no 'sites'"),
        ("name: x\nsites: []", "x.yaml:2:8: sites: found an empty list; expected at least 1 in the list"),
        ("name: x\nsites:\n", "x.yaml:2:1: sites: found nothing; expected a list"),
        ("name: x\nsites: {a: {}}", "sites: found a mapping; expected a list"),
        (
            "name: X Y\nsites: [{name: a}]",
            "x.yaml:1:7: name: found 'X Y'; expected the topology's name: up to 32 of a-z, 0-9",
        ),
        (
            "name: 12\nsites: [{name: a}]",
            "found '12'; expected the topology's name: up to 32 of a-z, 0-9 and '-', a letter or "
            "digit first; a number is a name only in quotes",
        ),
        (_sites("{name: hub}"), "'hub' is a place of every world already"),
        (_sites("{name: a/b}"), "found 'a/b'; expected a site's name"),
        (_sites(f"{{name: {'a' * 33}}}"), "expected a site's name: up to 32"),
        ("name: x\nseed: -1\nsites: [{name: a}]", "x.yaml:2:7: seed: found '-1'; expected a seed from 0 to"),
        ("name: x\nseed: .nan\nsites: [{name: a}]", "x.yaml:2:7: found '.nan'; expected a finite number"),
        (
            _sites("{group: a}"),
            "x.yaml:2:9: site 'a': found a mapping; expected either 'name' (one site), or 'group' and 'count'",
        ),
        (_one("compute: {per_sample: 9ms, speed: 2}"), "expected either 'per_sample' or 'speed', not both"),
        (_one("compute: {speed: 0}"), "expected a speed, where 0.5 is half as fast as the usual, from 0.001 to 1000"),
        (_one("compute: {jitter: 0.1}"), "expected a share from 0% to 100%, such as 10%; the unit is missing"),
        (_and("training: {clock: fast}"), "training.clock: found 'fast'; expected 'emulated' or 'real'"),
        (_sites("{name: b, count: 3}"), "expected either 'name' (one site), or 'group' and 'count'"),
        (_sites("{group: a, count: 0}"), "expected a number of sites from 1 to 2000"),
        (_sites("{group: a, count: 1500}, {group: b, count: 501}"), "found more than 2000 sites up to here"),
        (_sites(f"{{group: {'a' * 30}, count: 2}}"), "expected a group's name of at most 29 characters"),
        (_sites("{group: a, count: 3}, {name: a-02}"), "x.yaml:2:38: found a second site of the name 'a-02'"),
        (
            _one("link: vdsl, pacs: orthank"),
            "expected a PACS profile; did you mean 'orthanc'? Known: dcmqrscp, orthanc",
        ),
        (_cohort("scanner: 3t"), "expected a scanner profile; did you mean '3T'? Known: 1.5T, 3T, 3T-modern"),
        (_cohort("scanner: [3T, 7T]"), "site 'a': cohort.scanner.2: found '7T'; expected a scanner profile"),
        (_cohort("scanner: []"), "cohort.scanner: found an empty list; expected at least 1"),
        (_cohort("studies: 5001"), "expected a number of studies from 1 to 5000"),
        (_cohort("studies: true"), "found 'true'; expected a number of studies from 1 to 5000, or {min: 20,"),
        (_cohort("studies: 4.5"), "expected a number of studies from 1 to 5000, or {min: 20, max: 60"),
        (
            _cohort("studies: {min: 9, max: 3}"),
            "cohort.studies: found a mapping; expected a min that is not above the max",
        ),
        (_cohort("studies: {min: 9}"), "cohort.studies.max: found no 'max'"),
        (_cohort("classes: {control: 0.5, ad: 0.4}"), "add up to 1; these add up to 0.9"),
        (
            _cohort("classes: {contol: 1}"),
            "found the key 'contol'; expected a key that is known here; did you mean 'control'?",
        ),
        (_cohort("classes: {dirichlet: 0}"), "expected a concentration from 0.01 to 1000"),
        (_cohort("classes: 3"), "expected {control: 0.4, mci: 0.3, ad: 0.3}, or {dirichlet: 0.5"),
        (_cohort("modalities: [mri]"), "found 'mri'; expected 'mr' or 'pet'; did you mean 'mr'?"),
        (_cohort("storage: singleframe"), "expected 'single-frame' or 'multi-frame'; did you mean 'single-frame'?"),
        (_one("compute: {per_sample: 3}"), "expected a duration from 0ms to 60min, such as 30ms; the unit is missing"),
        (_one("machine: kvm"), "expected 'namespace' or 'vm'; did you mean 'vm'?"),
        (_one("link:"), "site 'a': link: found nothing; expected a value; write one, or take the key away"),
        (
            _one("link:vdsl"),
            "found the key 'link:vdsl'; expected a key that is known here; write a space after the ':'",
        ),
        (
            "name: x\nhub: {link: fiber}\nsites: [{name: a}]",
            "x.yaml:2:13: hub.link: found 'fiber'; expected a link profile",
        ),
        (
            "name: x\nlinks: {Fast: {rate: 1mbit, rtt: 1ms}}\nsites: [{name: a}]",
            "x.yaml:2:9: links.Fast: found the name 'Fast'",
        ),
        (_link("rtt: 1ms"), "x.yaml:2:12: links.f: found a mapping; expected either 'rate', or both 'down' and 'up'"),
        (_link("rate: 1mbit, up: 1mbit, rtt: 1ms"), "expected either 'rate', or both"),
        (_link("down: 1mbit, rtt: 1ms"), "expected either 'rate', or both"),
        (_link("rate: 1mbit"), "links.f: found a mapping; expected one of 'rtt', 'pings', or a 'delay' in both"),
        (_link("rate: 1mbit, rtt: 1ms, up: {delay: 1ms}"), "expected one of 'rtt', 'pings', or a 'delay' in both"),
        (_link("down: {rate: 1mbit, delay: 2ms}, up: 1mbit"), "expected one of 'rtt', 'pings', or a 'delay' in both"),
        (_link("rate: 1mbit, rtt: 4ms, up: {jitter: 3ms}"), "expected a jitter of at most half the rtt"),
        (_link("rate: 1mbit, rtt: 0ms, reorder: 1%"), "expected a delay above 0 where packets are reordered"),
        (_link("rate: 1mbit, rtt: 4ms, loss: 101%"), "links.f.loss: found '101%'; expected a share from 0% to 50%"),
        (_link("rate: 1mbit, rtt: 4ms, loss: {mean: 40%, burst: 0.5}"), "expected how many packets in a row"),
        (_link("rate: 1mbit, rtt: 4ms, loss: {to_bad: 0%, to_good: 0%}"), "expected a to_bad or a to_good above 0%"),
        (_link("rate: 1mbit, rtt: 4ms, loss: {p13: 70%, p14: 40%, p31: 1%}"), "that add up to at most 100%"),
        (_link("rate: 1mbit, rtt: 4ms, loss: [1%]"), "expected a share such as 0.1%, {mean: 1%, burst: 5}"),
        (_link("rate: 1mbit, rtt: 4ms, queue: {discipline: red}"), "expected 'fifo', 'codel', 'fq_codel' or 'cake'"),
        (_link("rate: 1mbit, rtt: 4ms, distribution: gauss"), "expected 'uniform', 'normal', 'pareto'"),
        (_link("rate: 1mbit, rtt: 4ms, mtu: 9000"), "expected bytes of the largest IP packet, from 576 to 1500"),
        (_link("rate: 1mbit, pings: a.txt, jitter: 1ms"), "expected no 'jitter' and no 'distribution' beside 'pings'"),
        (
            _link("rate: 1mbit, pings: none.txt"),
            "found 'No such file or directory' of 'none.txt'; expected a file of round-trip times",
        ),
        (
            "name: x\nregions: {alps: {link: adsl}}\nsites: [{name: a, region: alp}]",
            "site 'a': region: found 'alp'; expected a region; did you mean 'alps'?",
        ),
        (
            "name: x\nlinks: {f: {rate: 1mbit, rtt: 4ms, duplicate: 1%}}\nhub: {link: f}\nsites: [{name: a}]",
            "x.yaml:3:13: found 'f'; expected a link with nothing but rate",
        ),
        (
            "name: x\nlinks: {l: {rate: 1mbit, rtt: 4ms, loss: 1%},"
            " f: {rate: 1mbit, rtt: 4ms, loss: {p13: 1%, p31: 9%}}}\nhub: {link: l}\nsites: [{name: a, link: f}]",
            "a link without the four-state loss",
        ),
        (_link("rate: 1mbit, rtt: 11s"), "expected a duration from 0ms to 10s"),
        (_link("rate: 200gbit, rtt: 1ms"), "expected a rate from 1kbit to 100gbit"),
        (_link("rate: 1mbit, rtt: 4ms, jitter: 3ms"), "expected a jitter of at most half the rtt"),
        (
            "name: x\npacs: {p: {flavor: orthanc}}\nsites: [{name: a}]",
            "pacs.p.flavour: found no 'flavour'; expected 'flavour: …' in this mapping; rename 'flavor'",
        ),
        (
            "name: x\npacs: {p: {flavour: Orthanc}}\nsites: [{name: a}]",
            "expected a PACS flavour; did you mean 'orthanc'?",
        ),
        (_and("training: {rounds: 0}"), "training.rounds: found '0'; expected a number of rounds from 1 to 10000"),
        (_and("training: {task: demenita}"), "expected a task; did you mean 'dementia'?"),
        (_and("training: {algorithm: fedavgg}"), "expected an algorithm; did you mean 'fedavg'?"),
        (_and("training: {volume_cache: yes}"), "found 'yes'; expected true or false"),
        (_and("training: {options: 3}"), "training.options: found '3'; expected a mapping"),
    ],
)
def test_every_other_mistake_is_told_with_what_was_expected(refused: Refuse, text: str, problem: str) -> None:
    lines = refused(text)
    assert any(problem in line for line in lines), lines


def test_all_problems_are_told_at_once_in_the_order_of_the_document(refused: Refuse) -> None:
    text = """name: A
seed: -1
links: {slow: {rate: 0mbit, rtt: 3}}
sites:
- {name: a, link: slow, link: slow}
- {name: a, cohort: {studies: 0}, machin: vm}
training: {rounds: 0}
"""
    places = [line.split(" ")[0] for line in refused(text)]
    expected = ["1:7", "2:7", "3:22", "3:34", "5:25", "6:10", "6:31", "6:35", "7:20"]
    assert places == [f"x.yaml:{place}:" for place in expected]


def test_a_profile_that_is_wrong_is_told_once_and_not_at_each_site(refused: Refuse) -> None:
    assert (
        len(refused("name: x\nlinks: {f: {rate: 0bit, rtt: 1ms}}\nsites: [{name: a, link: f}, {name: b, link: f}]"))
        == 1
    )


def test_a_hundred_problems_are_told_as_fifty_and_more(refused: Refuse) -> None:
    lines = refused("name: x\nsites:\n" + "".join(f"- {{name: s{n}, link: q}}\n" for n in range(100)))
    assert len(lines) == 51
    assert lines[-1] == "x.yaml: more problems than these 50; mend these first"


def test_odd_characters_are_escaped_so_that_every_problem_is_one_line(refused: Refuse) -> None:
    (line,) = refused('name: x\nsites: [{name: "a\\n\\e[31m"}]')
    assert "\\n" in line
    assert "\x1b" not in line


def test_what_is_left_to_a_built_in_word_that_is_not_known_here_is_told(tmp_path: Path) -> None:
    bare = Known(frozenset({"dcmqrscp"}), frozenset({"7T"}), frozenset({"anomaly"}), frozenset({"ciil"}))
    with pytest.raises(TopologyErrors) as caught:
        load_text(_sites("{name: a}"), bare, tmp_path)
    told = [problem.partition(": ")[2] for problem in caught.value.problems]
    assert [line.split(";")[0] for line in told] == [
        "found no 'training.algorithm'",
        "found no 'training.task'",
        "found no 'cohort.scanner'",
        "found no 'pacs'",
    ]
    assert told[-1] == "found no 'pacs'; expected one, because the usual 'orthanc' is not known here; Known: dcmqrscp"


def test_an_option_may_be_nothing_and_no_other_key(refused: Refuse, known: Known, tmp_path: Path) -> None:
    text = "name: x\npacs: {p: {flavour: orthanc, o: }}\nsites: [{name: a}]\ntraining: {options: {o: [null]}}"
    assert load_text(text, known, tmp_path).training.options == {"o": [None]}
    (line,) = refused(_and("seed: ~"))
    assert line.startswith("x.yaml:3:7: seed: found nothing; expected a seed from 0 to ")
    assert line.endswith("; write a value, or take the key away")
