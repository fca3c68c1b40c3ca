"""Habits over HTTP as curl and dicomweb-client meet them, in front of a real Orthanc with baked studies."""

import contextlib
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import replace
from email.message import Message
from functools import partial
from http.client import HTTPConnection
from pathlib import Path

import psutil
import pydicom
import pytest
from dicomweb_client import DICOMwebClient
from requests import HTTPError

from emulator.topology.resolved import Pacs
from nodes import certificates, cohorts, pacs
from nodes.endpoints import Login
from nodes.gateway.hours import Window
from nodes.gateway.settings import ServerTls

sys.path.insert(0, str(Path(__file__).parent))
import test_nodes_bake as baking
from gateways import HOST, WITHIN_S, Running, free_port, gateway, listens, received

pytestmark = pytest.mark.integration

MULTIPART = 'multipart/related; type="application/dicom"'
STRICT = f"{MULTIPART}; transfer-syntax=1.2.840.10008.1.2.1"
BOUNDARY = "between-the-files-of-this-test"
START = Callable[..., AbstractContextManager[Running]]
DOWNLOADS, LARGE_BYTES = 50, 6_000_000
MOST_BYTES = 1_500_000  # of memory, that an answer may take which nobody takes


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of an Orthanc with two studies of 34 MR and 34 PET slices, over a copy of what was baked."""
    folder = tmp_path_factory.mktemp("archive")
    site = replace(baking.site(2), pacs=Pacs("many", "orthanc", {"http_threads": 2 * DOWNLOADS}))
    storage = cohorts.bake([site], baking.SEED, folder / "cache", baking.quietly)[site.name]
    port = free_port()
    with pacs.get("orthanc").fill(storage, port, site.pacs):
        yield port


@pytest.fixture(scope="module")
def start(archive: int, tmp_path_factory: pytest.TempPathFactory) -> START:
    return partial(gateway, tmp_path_factory.mktemp("gateways"), archive)


@pytest.fixture(scope="module")
def plain(start: START) -> Iterator[Running]:
    """A gateway without any habit."""
    with start() as running:
        yield running


@pytest.fixture(scope="module")
def instance(archive: int) -> str:
    """The path of one instance, below the DICOMweb root."""
    found = json.loads(curl(f"http://{HOST}:{archive}/dicom-web/instances?limit=1"))[0]
    study, series, uid = (found[tag]["Value"][0] for tag in ("0020000D", "0020000E", "00080018"))
    return f"studies/{study}/series/{series}/instances/{uid}"


def curl(*argv: str, codes: Collection[int] = (0,)) -> bytes:
    done = subprocess.run(["curl", "--silent", "--max-time", "120", *argv], capture_output=True, check=False)
    assert done.returncode in codes, (done.returncode, done.stderr, done.stdout[:500])
    return done.stdout


def web(running: Running, path: str) -> str:
    return f"{running.url}/dicom-web/{path}"


def answer(*argv: str) -> tuple[int, dict[str, str], bytes]:
    """Status, fields (lower case) and body of what curl gets; the last answer where there are several."""
    got = curl("--include", *argv)
    head, _, body = got.partition(b"\r\n\r\n")
    while head.startswith(b"HTTP/1.1 100"):
        head, _, body = body.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    return int(first.split()[1]), {k.lower(): v for k, v in (line.split(": ", 1) for line in lines)}, body


def files(content_type: str, body: bytes) -> list[bytes]:
    """The parts of a whole multipart body: split here, by no code of the project."""
    head = Message()
    head["Content-Type"] = content_type
    mark = f"\r\n--{head.get_param('boundary')}".encode()
    _, *parts, end = (b"\r\n" + body).split(mark)
    assert end.startswith(b"--")
    return [part.partition(b"\r\n\r\n")[2] for part in parts]


def test_without_habits_everything_passes_as_it_is(archive: int, plain: Running, instance: str) -> None:
    study = instance.partition("/series")[0]
    bare = answer("-H", f"Accept: {STRICT}", f"http://{HOST}:{archive}/dicom-web/{study}")
    through = answer("-H", f"Accept: {STRICT}", web(plain, study))
    assert through[0] == 200
    parts = files(through[1]["content-type"], through[2])
    assert len(parts) == 68
    assert sorted(parts) == sorted(files(bare[1]["content-type"], bare[2]))
    client = DICOMwebClient(f"{plain.url}/dicom-web")
    assert len(client.search_for_studies()) == 2
    assert len(client.retrieve_study(study.split("/")[1])) == 68
    assert answer(web(plain, f"{study}9"))[0] == 404  # the archive's own errors, too
    assert answer(web(plain, "studies?limit=x"))[0] == 400


def test_one_connection_carries_study_after_study(plain: Running, instance: str) -> None:
    study = web(plain, instance.partition("/series")[0])
    told = "%{num_connects} %{http_code}\n"
    argv = [part for _ in range(3) for part in ("--output", os.devnull, "--write-out", told, study)]
    assert curl(*argv).decode().splitlines() == ["1 200", "0 200", "0 200"]


def test_addresses_in_answers_lead_to_the_gateway(plain: Running, instance: str) -> None:
    found = json.loads(curl(web(plain, f"{instance}/metadata")))[0]
    assert found["7FE00010"]["BulkDataURI"].startswith(web(plain, instance))
    assert curl(found["7FE00010"]["BulkDataURI"])
    assert json.loads(curl(web(plain, "studies?limit=1")))[0]["00081190"]["Value"][0].startswith(plain.url)


def test_a_page_is_no_longer_than_the_archive_likes(start: START, instance: str) -> None:
    study = instance.split("/")[1]
    with start(page=30) as running:
        client = DICOMwebClient(f"{running.url}/dicom-web")
        pages = [client.search_for_instances(study, limit=limit, offset=offset)
                 for limit, offset in ((50, 0), (30, 30), (None, 60), (5, 0), (50, 68))]  # fmt: skip
        warned = ["warning" in answer(web(running, f"studies/{study}/instances?{query}"))[1]
                  for query in ("limit=50", "offset=30", "offset=38", "limit=30", "")]  # fmt: skip
    assert [len(page) for page in pages] == [30, 30, 8, 5, 0]
    assert len({one["00080018"]["Value"][0] for page in pages[:3] for one in page}) == 68
    assert warned == [True, True, False, False, True]


def test_an_archive_may_not_know_includefield(start: START, plain: Running) -> None:
    query = "instances?limit=1&includefield=00180081"
    assert "00180081" in json.loads(curl(web(plain, query)))[0]
    with start(includefield=False) as running:
        assert "00180081" not in json.loads(curl(web(running, query)))[0]


def test_one_instance_may_come_without_multipart(start: START, plain: Running, instance: str) -> None:
    status, fields, body = answer(web(plain, instance))
    (file,) = files(fields["content-type"], body)
    with start(single_part=True) as running:
        for accept in ("application/dicom", "*/*", STRICT):
            status, fields, body = answer("-H", f"Accept: {accept}", web(running, instance))
            assert (status, fields["content-type"], int(fields["content-length"])) == (
                200,
                "application/dicom",
                len(body),
            )
            assert body == file
        implicit = "application/dicom; transfer-syntax=1.2.840.10008.1.2"
        got = pydicom.dcmread(io.BytesIO(curl("-H", f"Accept: {implicit}", web(running, instance))))
        assert got.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2"
        _, study, _, series, _, uid = instance.split("/")
        client = DICOMwebClient(f"{running.url}/dicom-web")
        with pytest.warns(UserWarning, match="not compliant"):
            assert client.retrieve_instance(study, series, uid).SOPInstanceUID == uid
        assert answer(web(running, f"studies/{study}"))[1]["content-type"].startswith("multipart/related")
        assert answer(web(running, f"{instance}9"))[0] == 404


def test_an_archive_may_lack_frames_and_bulk_data(start: START, plain: Running, instance: str) -> None:
    paths = (f"{instance}/frames/1", f"{instance}/bulk/7fe00010")
    assert [answer(web(plain, path))[0] for path in paths] == [200, 200]
    with start(frames=False, bulkdata=False) as running:
        assert [answer(web(running, path))[0] for path in paths] == [404, 404]
        with pytest.raises(HTTPError, match="404"):
            DICOMwebClient(f"{running.url}/dicom-web").retrieve_instance_frames(*instance.split("/")[1::2], [1])


def test_an_archive_may_be_strict_about_accept(start: START, instance: str) -> None:
    study = instance.split("/")[1]
    unquoted = "multipart/related; type=application/dicom; transfer-syntax=1.2.840.10008.1.2.1"
    seen = {}
    for habit in ("strict", "quoted"):
        with start(accept=habit) as running:
            accepts = ("*/*", MULTIPART, STRICT, unquoted)
            seen[habit] = [answer("-H", f"Accept: {accept}", web(running, instance))[0] for accept in accepts]
            client = DICOMwebClient(f"{running.url}/dicom-web")
            syntax = (("application/dicom", "1.2.840.10008.1.2.1"),)
            assert len(client.retrieve_study(study, media_types=syntax)) == 68
    assert seen == {"strict": [406, 406, 200, 200], "quoted": [406, 200, 200, 406]}


def test_an_archive_may_think_before_each_answer(start: START) -> None:
    with start(first_byte_s=0.4) as running:
        for path in ("studies?limit=1", "nothing"):
            told = curl("--output", os.devnull, "--write-out", "%{time_starttransfer}", web(running, path))
            assert float(told) >= 0.4


def test_an_idle_connection_is_closed_and_a_busy_one_is_not(start: START) -> None:
    with start(idle_s=2.0) as running, contextlib.closing(HTTPConnection(HOST, running.port)) as connection:
        for _ in range(4):
            time.sleep(0.6)
            connection.request("GET", "/system")
            assert connection.getresponse().read()
        port = connection.sock.getsockname()[1]
        connection.request("GET", "/system")
        assert connection.getresponse().read()
        assert connection.sock.getsockname()[1] == port
        assert not received(connection.sock)  # returns: the gateway has closed it


def test_at_night_nothing_is_retrieved_until_it_opens(start: START, instance: str) -> None:
    with start(closed=(Window(0, 3600),)) as running:
        status, fields, _ = answer(web(running, instance))
        assert status == 503
        assert 3000 < int(fields["retry-after"]) <= 3600
        assert answer(web(running, "studies"))[0] == 200
    with start(closed=(Window(0, 1.5),)) as running:
        deadline = time.monotonic() + WITHIN_S
        while answer(web(running, instance))[0] != 200:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_all_callers_together_get_no_more_than_the_rate(start: START, instance: str) -> None:
    study = instance.partition("/series")[0]
    with start(rate_bps=16_000_000) as running, ThreadPoolExecutor(3) as callers:
        began = time.monotonic()
        sizes = list(callers.map(lambda _: len(curl(web(running, study))), range(3)))
        assert time.monotonic() - began >= 0.9 * 8 * sum(sizes) / 16e6
    assert len(set(sizes)) == 1


def test_who_may_call_by_password_and_by_token(start: START, plain: Running) -> None:
    url = "studies?limit=1"
    with start(caller=Login(user="worker", password="secret")) as running:  # noqa: S106 - made up here
        status, fields, _ = answer(web(running, url))
        assert (status, fields["www-authenticate"].split()[0]) == (401, "Basic")
        assert answer("--user", "worker:wrong", web(running, url))[0] == 401
        assert answer("--user", "worker:secret", web(running, url))[0] == 200
    with start(caller=Login(token="a1b2")) as running:  # noqa: S106 - made up here
        assert answer(web(running, url))[1]["www-authenticate"].startswith("Bearer")
        assert answer("--oauth2-bearer", "a1b2c", web(running, url))[0] == 401
        assert answer("--oauth2-bearer", "a1b2", web(running, url))[0] == 200


def test_tls_of_the_server_and_of_both(start: START, tmp_path: Path, instance: str) -> None:
    authority = certificates.authority(tmp_path / "here")
    stranger = certificates.authority(tmp_path / "elsewhere").client("worker.lyon")
    pair, own, other = authority.server("pacs.lyon", [HOST]), authority.client("worker.lyon"), authority.client("nice")
    server = ServerTls(str(pair.certificate_path), str(pair.key_path))
    trust = ("--cacert", str(authority.certificate_path))
    with start(tls=server) as running:
        url = f"https://{HOST}:{running.port}/dicom-web/"
        status, _, body = answer(*trust, f"{url}{instance}/metadata")
        assert status == 200
        assert json.loads(body)[0]["7FE00010"]["BulkDataURI"].startswith(f"{url}{instance}")
        curl(f"{url}studies", codes=[60])  # an authority that nobody knows
        assert running.said(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").count(b"HTTP/1.1") == 0
    mutual = replace(server, callers=str(authority.certificate_path), caller="worker.lyon")

    def shown(who: certificates.Pair) -> tuple[str, ...]:
        return (*trust, "--cert", str(who.certificate_path), "--key", str(who.key_path))

    with start(tls=mutual) as running:
        url = f"https://{HOST}:{running.port}/dicom-web/studies"
        assert answer(*shown(own), url)[0] == 200
        assert answer(*shown(other), url)[0] == 403
        for nobody in (trust, shown(stranger)):
            curl(*nobody, url, codes=[52, 56])


def test_an_archive_that_is_down_is_a_bad_gateway_until_it_is_back(tmp_path: Path) -> None:
    port = free_port()
    with gateway(tmp_path, port) as running:
        assert answer(f"{running.url}/system")[0] == 502
        with socket.create_server((HOST, port)) as listening:
            threading.Thread(target=_answer_once, args=(listening, b"HTTP/1.1 204 Fine\r\n\r\n"), daemon=True).start()
            assert answer(f"{running.url}/system")[0] == 204


def _answer_once(listening: socket.socket, said: bytes) -> None:
    connection, _ = listening.accept()
    with connection:
        connection.recv(65_536)
        connection.sendall(said)


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n",
        b'HTTP/1.1 200 OK\r\nContent-Type: multipart/related; boundary="b"\r\n\r\n--b\r\n\r\nshort',
    ],
)
@pytest.mark.parametrize("version", ["--http1.1", "--http1.0"])
def test_an_answer_that_the_archive_cuts_is_never_taken_for_whole(tmp_path: Path, said: bytes, version: str) -> None:
    port = free_port()
    with gateway(tmp_path, port) as running, socket.create_server((HOST, port)) as listening:
        threading.Thread(target=_answer_once, args=(listening, said), daemon=True).start()
        done = subprocess.run(["curl", "--silent", version, running.url], capture_output=True, check=False)
    assert done.returncode in (18, 56)


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"hello\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n",
    ],
)
def test_what_is_no_answer_is_a_bad_gateway(tmp_path: Path, said: bytes) -> None:
    port = free_port()
    with gateway(tmp_path, port) as running, socket.create_server((HOST, port)) as listening:
        threading.Thread(target=_answer_once, args=(listening, said), daemon=True).start()
        assert answer(running.url)[0] == 502


def test_requests_in_one_packet_are_answered_in_turn_and_garbage_ends_them(plain: Running) -> None:
    system = b"GET /system HTTP/1.1\r\nHost: a\r\n\r\n"
    said = plain.said(b"HEAD" + system[3:] + system * 2 + b"garbage\r\n\r\n" + system)
    statuses = re.findall(rb"HTTP/1\.1 (\d+) ", said)
    assert statuses == [b"404", b"200", b"200", b"400"]  # Orthanc knows no HEAD
    assert b"\r\nConnection: close\r\n" in said.rpartition(b"HTTP/1.1 400")[2]
    assert plain.said(b"\x16\x03\x01\x02\x00\x01").startswith(b"HTTP/1.1 400")
    assert plain.said(b"GET / HTTP/1.1\r\nX: " + b"a" * 100_000 + b"\r\n\r\n").startswith(b"HTTP/1.1 431")
    assert plain.said(b"GET /system HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 200")


def test_what_is_refused_to_head_has_no_body(start: START) -> None:
    with start(caller=Login(token="a")) as running:  # noqa: S106 - made up here
        rest = b" /system HTTP/1.1\r\nHost: a\r\n"
        said = running.said(b"HEAD" + rest + b"\r\nGET" + rest + b"Connection: close\r\n\r\n")
    assert re.findall(rb"HTTP/1\.1 (\d+) ", said) == [b"401", b"401"]
    assert said.count(b"a bearer token is needed") == 1


def test_what_is_refused_with_its_body_unread_says_so_and_leaves(start: START) -> None:
    with start(caller=Login(token="a")) as running:  # noqa: S106 - made up here
        said = running.said(
            b"POST /instances HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n" + b"a" * 3_000_000
        )
        assert said.startswith(b"HTTP/1.1 401")


def test_studies_are_stored_through_it_whole_and_in_chunks(archive: int, plain: Running, tmp_path: Path) -> None:
    large = tmp_path / "large.dcm"
    _write_large(large)
    for framing in ("Expect: 100-continue", "Transfer-Encoding: chunked"):
        client = _stored(plain, large, framing)
        assert client == 200
    client = DICOMwebClient(f"{plain.url}/dicom-web")
    assert len(client.search_for_instances("2.25.7")) == 1
    curl("--request", "DELETE", f"http://{HOST}:{archive}/instances/{_orthanc_id(archive)}")


def _stored(running: Running, file: Path, field: str) -> int:
    body = file.with_suffix(".multipart")
    mark = b"--" + BOUNDARY.encode()  # long: Orthanc takes `--` and the boundary for a boundary anywhere in a line
    body.write_bytes(
        mark + b"\r\nContent-Type: application/dicom\r\n\r\n" + file.read_bytes() + b"\r\n" + mark + b"--\r\n"
    )
    kind = f"Content-Type: {MULTIPART}; boundary={BOUNDARY}"
    return answer("-H", kind, "-H", field, "--data-binary", f"@{body}", web(running, "studies"))[0]


def _orthanc_id(archive: int) -> str:
    query = json.dumps({"Level": "Instance", "Query": {"StudyInstanceUID": "2.25.7"}})
    (found,) = json.loads(curl("--data", query, f"http://{HOST}:{archive}/tools/find"))
    return str(found)


def _write_large(path: Path) -> None:
    dataset = pydicom.Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.7", "2.25.9"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.PatientID = "2.25.7", "2.25.8", "LARGE"
    dataset.Modality = "OT"
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    dataset.add_new(0x7FE00010, "OB", os.urandom(LARGE_BYTES))
    dataset.save_as(path, enforce_file_format=True)


def test_fifty_downloads_at_once_that_nobody_takes_stay_out_of_memory(
    archive: int, start: START, tmp_path: Path
) -> None:
    large = tmp_path / "large.dcm"
    _write_large(large)
    with start() as running:
        assert _stored(running, large, "Expect:") == 200
        process = psutil.Process(running.process.pid)
        before = process.memory_info().rss
        with contextlib.ExitStack() as stack:
            callers = [stack.enter_context(running.narrow()) for _ in range(DOWNLOADS)]
            for caller in callers:
                caller.sendall(b"GET /dicom-web/studies/2.25.7 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            for caller in callers:
                assert caller.recv(1, socket.MSG_PEEK)  # every one of them has begun
            assert _settled(process) - before < DOWNLOADS * MOST_BYTES
            with ThreadPoolExecutor(DOWNLOADS) as hands:
                sizes = list(hands.map(lambda caller: len(received(caller)), callers))
        assert min(sizes) > LARGE_BYTES
        assert answer(f"{running.url}/system")[0] == 200
    curl("--request", "DELETE", f"http://{HOST}:{archive}/instances/{_orthanc_id(archive)}")


def _settled(process: psutil.Process) -> int:
    """Bytes of a process's memory once it grows no more."""
    deadline, seen, now = time.monotonic() + WITHIN_S, 0, process.memory_info().rss
    while now - seen > 500_000:
        assert time.monotonic() < deadline
        time.sleep(1)
        seen, now = now, process.memory_info().rss
    return int(now)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_gateway_that_is_told_to_end_ends_in_the_middle_of_downloads(
    start: START, instance: str, number: signal.Signals
) -> None:
    with start(rate_bps=64_000) as running, running.connect() as caller:
        caller.sendall(f"GET /dicom-web/{instance} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        assert caller.recv(100)
        assert not psutil.Process(running.process.pid).children()
        running.process.send_signal(number)
        running.process.wait(WITHIN_S)
        assert not listens(running.port)
