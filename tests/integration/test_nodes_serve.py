"""A PACS over its baked layer, in namespaces like a world's: it answers at once, and a worker pulls every study."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nodes import cohorts

sys.path.insert(0, str(Path(__file__).parent))
import test_nodes_bake as baking

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]

_SERVED = """
import json, socket, subprocess, sys, time
from pathlib import Path
sys.path.insert(0, 'tests/integration')
import httpx
import test_nodes_bake as t
from emulator.places import pacs_address
from nodes import pacs
from nodes.errors import PullFailed
from nodes.endpoints import Endpoint
from nodes.pull import Client, Store
storage, folder, index = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
site = t.site(index)
run = lambda *argv: subprocess.run(argv, check=True)
run("ip", "link", "set", "lo", "up")
run("ip", "address", "add", f"{pacs_address(index)}/32", "dev", "lo")
(service,) = pacs.get("orthanc").services(site, storage)
here = lambda text: text.replace("@FOLDER@", str(folder))
for name in ("upper", "work", "storage"):
    (folder / name).mkdir()
run("mount", "-t", "tmpfs", "none", folder)
for name in ("upper", "work", "storage"):
    (folder / name).mkdir()
options = f"lowerdir={service.overlay.lower},upperdir={folder}/upper,workdir={folder}/work"
run("mount", "-t", "overlay", "-o", options, "overlay", here(service.overlay.target))
for name, content in service.files:
    (folder / name).write_text(here(content))
started = time.monotonic()
server = subprocess.Popen([here(part) for part in service.argv], stderr=subprocess.DEVNULL)
url = f"http://{pacs_address(index)}:{service.ready_port}"
while True:
    try:
        httpx.get(url + service.ready_path).raise_for_status()
        break
    except httpx.HTTPError:
        assert time.monotonic() < started + 20
        time.sleep(0.01)
up_s = time.monotonic() - started
class Here:
    transport = staticmethod(lambda tls=None: httpx.HTTPTransport(verify=tls or True))
    connect = staticmethod(lambda host, port, timeout_s: socket.create_connection((host, port), timeout_s))
answer = pacs.get("orthanc").probe(site, Here())
pulled = []
endpoint = Endpoint(site.name, pacs_address(index), url + "/dicom-web/", None)
with Client(endpoint, Store(folder / "store")) as client:
    uids = client.studies()
    for uid in uids:
        study, payload = client.study(uid)
        client.forget(uid)
        shapes = {modality: volume.values.shape for modality, volume in study.volumes.items()}
        sums = {modality: float(volume.values.sum()) for modality, volume in study.volumes.items()}
        pulled.append({"uid": study.uid, "label": study.label, "patient": study.patient_id,
                       "rx": payload.rx, "tx": payload.tx, "shapes": shapes, "sums": sums})
    time.sleep(3)  # Orthanc closes an idle connection meanwhile
    client.study(uids[0])
    try:
        client.study("2.25.1")
    except PullFailed as error:
        refused = str(error)
    client.study(uids[0])
server.terminate()
server.wait()
print(json.dumps({"up_s": up_s, "version": answer.version, "studies": answer.studies, "instances": answer.instances,
                  "pulled": pulled, "refused": refused}))
"""


@pytest.fixture(scope="module")
def storages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return cohorts.bake(baking.SITES, baking.SEED, tmp_path_factory.mktemp("cache"), baking.quietly)


def served(storage: Path, index: int, folder: Path) -> dict[str, Any]:
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    argv = ["unshare", *user, "--net", "--mount", sys.executable, "-c", _SERVED, storage, folder, str(index)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    answer = json.loads(done.stdout.splitlines()[-1])
    assert isinstance(answer, dict)
    return answer


@pytest.mark.parametrize("index", [1, 2])
def test_a_pacs_over_its_baked_layer_answers_at_once_with_all_studies(
    storages: dict[str, Path], tmp_path: Path, index: int
) -> None:
    site = baking.site(index)
    before = cohorts.verify([site], baking.SEED, storages[site.name].parents[2])
    answer = served(storages[site.name], index, tmp_path)
    assert answer["up_s"] < 5
    assert answer["studies"] == 2
    files_a_study = 2 if site.cohort.storage == "multi-frame" else 34 + 34
    assert answer["instances"] == 2 * files_a_study
    labels = sorted(study["label"] for study in answer["pulled"])
    assert labels == ["ad", "control"]
    for study in answer["pulled"]:
        assert study["shapes"].keys() == {"MR", "PT"}
        assert study["patient"].startswith(f"PHANTOM-{site.name}-")
        assert study["rx"] > 300_000
        assert study["tx"] == 0
    assert "/studies/2.25.1 answered 404" in answer["refused"]
    # What was served is a layer: the baked one is as it was.
    assert before == cohorts.verify([site], baking.SEED, storages[site.name].parents[2]) == {}


def test_two_bakes_of_one_seed_serve_the_same_studies(
    storages: dict[str, Path], tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    again = cohorts.bake(baking.SITES[:1], baking.SEED, tmp_path_factory.mktemp("again"), baking.quietly)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first = served(storages["clinic-01"], 1, tmp_path / "a")["pulled"]
    second = served(again["clinic-01"], 1, tmp_path / "b")["pulled"]
    assert first == second
