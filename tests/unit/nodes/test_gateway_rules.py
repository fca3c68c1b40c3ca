"""What a gateway decides before it asks its archive: who is let in, what is refused, what the archive gets to see."""

import base64
import json
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodes.endpoints import Login
from nodes.gateway import accepting, resources
from nodes.gateway.hours import Window, opens_in
from nodes.gateway.judging import Handed, Peer, handed
from nodes.gateway.messages import Fields, Refused, Request
from nodes.gateway.pace import TokenBucket
from nodes.gateway.settings import ServerTls, Settings

ROOT = "/dicom-web/"
WORKER = Peer("10.0.3.3")
INSTANCE = "/dicom-web/studies/1.2/series/1.3/instances/1.4"
STRICT = 'multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.1'


def settings(**habits: object) -> Settings:
    return Settings("lyon", "10.0.3.2", 8042, 18042, **habits)  # type: ignore[arg-type]


def asked(
    target: str, peer: Peer = WORKER, moment_s: float = 0.0, habits: Settings | None = None, **fields: str
) -> Handed:
    named = [(name.replace("_", "-"), value) for name, value in {"host": "pacs.lyon:8042", **fields}.items()]
    return handed(habits or settings(), Request("GET", target, 1, Fields(named), 0), peer, moment_s)


def refused(target: str, **how: object) -> Refused:
    with pytest.raises(Refused) as refusal:
        asked(target, **how)  # type: ignore[arg-type]
    return refusal.value


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("studies", "search"),
        ("studies/1.2/series", "search"),
        ("studies/1.2/series/1.3/instances?limit=3", "search"),
        ("instances", "search"),
        ("studies/1.2", "study"),
        ("studies/1.2/", "study"),
        ("studies//1.2", "study"),
        ("studies/1.2/series/1.3", "series"),
        ("studies/1.2/series/1.3/instances/1.4", "instance"),
        ("studies/1.2/series/1.3/instances/1.4/frames/1,2", "frames"),
        ("studies/1.2/series/1.3/instances/1.4/%66rames/1", "frames"),
        ("studies/1.2/series/1.3/instances/1.4/bulk/7fe00010", "bulkdata"),
        ("studies/1.2/bulkdata/x", "bulkdata"),
        ("bulkdata/x", "bulkdata"),
        ("studies/1.2/metadata", "metadata"),
        ("studies/1.2/rendered", "rendered"),
        ("servers", "other"),
    ],
)
def test_a_path_says_what_is_asked(path: str, kind: str) -> None:
    assert resources.kind_of(ROOT + path, ROOT) == kind


def test_outside_of_dicomweb_nothing_has_habits() -> None:
    assert resources.kind_of("/studies/1.2", ROOT) == "other"
    assert resources.kind_of("*", ROOT) == "other"


@pytest.mark.parametrize("path", ["/dicom-web/x/../studies/1.2", "/dicom-web/%2e%2e/system", "/dicom-web/a%2Fb"])
def test_a_path_that_climbs_is_refused(path: str) -> None:
    assert refused(path).status == 400


queries = st.lists(
    st.tuples(
        st.sampled_from(["PatientID", "includefield", "IncludeField", "00100010", "fuzzymatching"]), st.just("x")
    ),
    max_size=5,
)


@given(queries, st.none() | st.integers(0, 10**6), st.none() | st.integers(0, 10**6), st.integers(1, 10_000))
def test_no_search_gives_more_than_a_page_from_where_it_was_asked(
    others: list[tuple[str, str]], limit: int | None, offset: int | None, page: int
) -> None:
    pairs = [*others, *([("limit", limit)] if limit is not None else []), *([("offset", offset)] if offset else [])]
    query = "&".join(f"{name}={value}" for name, value in pairs)
    search = resources.searched(f"/dicom-web/studies?{query}", page, includefield=True)
    got = parse_qsl(urlsplit(search.target).query)
    assert [pair for pair in got if pair[0] not in ("limit", "offset")] == others
    sent = int(dict(got)["limit"])
    assert sent == min(limit or page, page)
    assert int(dict(got)["offset"]) == (offset or 0)
    if search.beyond is None:
        assert sent == limit  # the caller gets all that it wanted: there is nothing to warn of
    else:
        beyond = dict(parse_qsl(urlsplit(search.beyond).query))
        assert (int(beyond["limit"]), int(beyond["offset"])) == (1, (offset or 0) + sent)


@pytest.mark.parametrize("query", ["limit=-1", "limit=x", "offset=1e3", "limit=", "limit=99999999999", "offset=%C2%B2"])
def test_a_limit_that_is_no_number_is_refused_by_name(query: str) -> None:
    refusal = refused(f"/dicom-web/studies?{query}", habits=settings(page=10))
    assert refusal.status == 400
    assert query.partition("=")[0] in refusal.why


def test_whether_there_is_more_is_asked_without_the_callers_body() -> None:
    beyond = asked("/dicom-web/studies", habits=settings(page=10), content_length="5", accept="*/*").beyond
    assert beyond is not None
    assert beyond.target == "/dicom-web/studies?limit=1&offset=10"
    assert not beyond.fields.all("content-length")
    assert beyond.fields.all("accept") == ["application/dicom+json"]
    assert asked("/dicom-web/studies?limit=10", habits=settings(page=10)).beyond is None


def test_without_a_page_a_search_is_handed_on_as_it_is() -> None:
    target = "/dicom-web/studies?limit=-1&PatientName=M%C3%BCller*&includefield=all"
    assert asked(target).request.target == target


def test_an_archive_without_includefield_never_sees_it() -> None:
    habits = settings(includefield=False)
    several = asked("/dicom-web/studies?includefield=all&PatientID=7&%69ncludefield=00081030", habits=habits)
    assert several.request.target == "/dicom-web/studies?PatientID=7"
    assert asked("/dicom-web/studies?includefield=all", habits=habits).request.target == "/dicom-web/studies"
    assert "includefield" in asked(f"{INSTANCE}?includefield=all", habits=habits).request.target


@pytest.mark.parametrize(
    ("accept", "usual", "strict", "quoted"),
    [
        (STRICT, True, True, True),
        ('multipart/related; type="application/dicom"', True, False, True),
        ("multipart/related; type=application/dicom; transfer-syntax=1.2.840.10008.1.2", True, True, False),
        ("multipart/related; type=application/dicom", True, False, False),
        ("", True, False, False),
        ("*/*", True, False, False),
        ("application/dicom", True, False, False),
        (f"image/jpeg, {STRICT};q=0.5", True, True, True),
        (f"{STRICT};q=0", True, False, False),
        (f"{STRICT};q=0.000", True, False, False),
        ('Multipart/Related;TYPE="Application/DICOM";Transfer-Syntax="*"', True, True, True),
        ('multipart/related; type="application/dicom, transfer-syntax=1.2', True, False, False),
        ('multipart/related; type="application/octet-stream"; transfer-syntax=1.2', True, False, False),
    ],
)
def test_demands_on_accept(accept: str, usual: bool, strict: bool, quoted: bool) -> None:
    for habit, expected in (("usual", usual), ("strict", strict), ("quoted", quoted)):
        assert accepting.acceptable(accept, habit) is expected, habit  # type: ignore[arg-type]


@given(st.text(alphabet='abq=;,"\\ */.-01', max_size=60))
def test_whatever_accept_holds_it_is_read_without_an_error(header: str) -> None:
    for habit in ("usual", "strict", "quoted"):
        accepting.acceptable(header, habit)  # type: ignore[arg-type]
    assert "\r" not in accepting.as_multipart(header)


def test_demands_on_accept_hold_for_dicom_files_alone() -> None:
    habits = settings(accept="strict")
    for target in (INSTANCE, "/dicom-web/studies/1.2", "/dicom-web/studies/1.2/series/1.3"):
        refusal = refused(target, accept="application/dicom", habits=habits)
        assert refusal.status == 406
        assert "transfer-syntax" in refusal.why
        asked(target, accept=STRICT, habits=habits)
    for target in ("/dicom-web/studies", f"{INSTANCE}/metadata", f"{INSTANCE}/frames/1", "/system"):
        asked(target, accept="application/json", habits=habits)


@pytest.mark.parametrize(
    ("accept", "handed_on"),
    [
        ("application/dicom; transfer-syntax=1.2.840.10008.1.2", "multipart/related; type=\"application/dicom\"; transfer-syntax=1.2.840.10008.1.2"),  # noqa: E501 - one header
        ("", 'multipart/related; type="application/dicom"'),
        ("image/png, */*;q=0.1", 'multipart/related; type="application/dicom"'),
        (STRICT, STRICT),
        ("image/png", "image/png"),
    ],
)  # fmt: skip
def test_one_instance_is_asked_as_multipart_and_given_as_it_is(accept: str, handed_on: str) -> None:
    habits = settings(single_part=True)
    got = asked(INSTANCE, habits=habits, **({"accept": accept} if accept else {}))
    assert got.single
    assert got.request.fields.all("accept") == [handed_on]
    assert not asked("/dicom-web/studies/1.2", habits=habits).single
    assert not asked(INSTANCE).single


def test_what_an_archive_lacks_is_not_found() -> None:
    habits = settings(frames=False, bulkdata=False)
    assert refused(f"{INSTANCE}/frames/1", habits=habits).status == 404
    assert refused(f"{INSTANCE}/bulk/7fe00010", habits=habits).status == 404
    asked(INSTANCE, habits=habits)


def test_at_night_nothing_is_retrieved_but_all_is_found() -> None:
    habits = settings(closed=(Window(10, 5, 60),))
    for target in (INSTANCE, "/dicom-web/studies/1.2", f"{INSTANCE}/frames/1", f"{INSTANCE}/bulk/7fe00010"):
        refusal = refused(target, habits=habits, moment_s=71.5)
        assert (refusal.status, dict(refusal.fields)) == (503, {"Retry-After": "4"})
        asked(target, habits=habits, moment_s=75)
    for target in ("/dicom-web/studies", f"{INSTANCE}/metadata", "/system"):
        asked(target, habits=habits, moment_s=71.5)


windows = st.lists(
    st.builds(Window, st.integers(0, 50), st.integers(0, 20), st.none() | st.integers(1, 60)), max_size=4
)


@given(windows, st.integers(0, 500))
def test_where_it_is_said_to_open_it_is_open_and_closed_until_then(scheduled: list[Window], moment: int) -> None:
    def closed(second: float) -> bool:
        return any(
            second >= w.at_s
            and (second < w.at_s + w.for_s if w.every_s is None else (second - w.at_s) % w.every_s < w.for_s)
            for w in scheduled
        )

    wait = opens_in(scheduled, moment)
    if wait == float("inf"):
        assert all(closed(moment + ahead) for ahead in range(2000))
    else:
        assert not closed(moment + wait)
        assert all(closed(moment + ahead) for ahead in range(int(wait)))


@given(
    st.integers(8_000, 10**9),
    st.lists(st.tuples(st.floats(0, 2), st.floats(0, 1)), min_size=1, max_size=50),
)
def test_no_stretch_of_time_carries_more_than_the_rate_and_one_piece(
    rate_bps: int, takes: list[tuple[float, float]]
) -> None:
    bucket, now, sent = TokenBucket(rate_bps), 0.0, []
    for pause, share in takes:
        now += pause
        count = max(1, int(bucket.piece * share))
        sent.append((now + bucket.take(now, count), count))
    moments = [moment for moment, _ in sent]
    assert moments == sorted(moments)
    for first in range(len(sent)):
        for last in range(first, len(sent)):
            carried = sum(count for _, count in sent[first : last + 1])
            allowed = bucket.piece + rate_bps / 8 * (sent[last][0] - sent[first][0])
            assert carried <= allowed * (1 + 1e-9) + 1


@given(st.integers(8_000, 10**9))
def test_whoever_keeps_asking_gets_the_whole_rate(rate_bps: int) -> None:
    bucket, now = TokenBucket(rate_bps), 0.0
    for _ in range(100):
        now += bucket.take(now, bucket.piece)
    assert now == pytest.approx(99 * bucket.piece * 8 / rate_bps)


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize("scheme", ["Basic", "basic"])
def test_who_knows_the_password_is_let_in_and_the_archive_does_not_see_it(scheme: str) -> None:
    habits = settings(caller=Login(user="worker", password="pass:wörd"))  # noqa: S106 - made up here
    got = asked("/system", habits=habits, authorization=basic("worker:pass:wörd").replace("Basic", scheme))
    assert not got.request.fields.all("authorization")


@pytest.mark.parametrize(
    "sent", [None, basic("worker:"), basic("worker:passw"), basic(":"), "Basic", "Basic §", "Bearer x"]
)
def test_who_does_not_is_told_what_to_send(sent: str | None) -> None:
    habits = settings(caller=Login(user="worker", password="password"))  # noqa: S106 - made up here
    refusal = refused("/dicom-web/studies", habits=habits, **({"authorization": sent} if sent else {}))
    assert refusal.status == 401
    assert dict(refusal.fields)["WWW-Authenticate"].startswith('Basic realm="lyon"')


def test_a_bearer_token_is_the_whole_token() -> None:
    habits = settings(caller=Login(token="a1b2"))  # noqa: S106 - made up here
    asked("/system", habits=habits, authorization="Bearer a1b2")
    for sent, error in (("Bearer a1b", True), ("Bearer", True), (basic("worker:a1b2"), False)):
        refusal = refused("/system", habits=habits, authorization=sent)
        assert refusal.status == 401
        assert ("invalid_token" in dict(refusal.fields)["WWW-Authenticate"]) is error


def test_a_certificate_of_somebody_else_is_not_enough() -> None:
    habits = settings(tls=ServerTls("c", "k", callers="ca", caller="worker.lyon"))
    own = {"subjectAltName": (("DNS", "worker.lyon"),)}
    other = {"subjectAltName": (("DNS", "worker.nice"),)}
    asked("/system", habits=habits, peer=Peer("10.0.3.3", own))
    assert refused("/system", habits=habits, peer=Peer("10.0.3.3", other)).status == 403


def test_the_archive_hears_by_which_address_it_was_called() -> None:
    got = asked(
        "/system", habits=settings(tls=ServerTls("c", "k")), forwarded="host=evil", connection="x-hop", x_hop="1"
    )
    fields = got.request.fields
    assert fields.all("host") == ["pacs.lyon:8042"]
    assert fields.all("forwarded") == ["for=10.0.3.3;proto=https"]
    assert fields.all("x-forwarded-proto") == ["https"]
    assert not fields.all("x-hop")
    assert fields.all("connection") == ["close"]


def test_settings_are_the_same_after_they_were_written() -> None:
    written = settings(
        page=7, closed=(Window(1, 2, 3),), caller=Login(token="x"), tls=ServerTls("c", "k"), rate_bps=8000  # noqa: S106
    )  # fmt: skip
    assert Settings.of(json.loads(written.text())) == written
    assert Settings.of(json.loads(settings().text())) == settings()
