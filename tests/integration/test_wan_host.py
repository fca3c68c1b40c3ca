"""The WAN kernel `host`, on a kernel that has netem: where this machine's has not, inside a user-mode Linux kernel."""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from networks import HUB_LINK, LINKS, make_site, make_topology

from emulator import shaping, wiring
from emulator.places import HUB_ADDRESS, UPDATE_PORT
from emulator.wan.host import HostKernel
from emulator.wan.uml import STARTED

pytestmark = pytest.mark.integration

_SITES = [make_site(1, "4g"), make_site(2, "adsl")]  # slow: a user-mode kernel plays all of them at once
_TIMES = 3  # a host that is busy with other things can only make packets late, and fewer
_INSIDE = Path(__file__).parent / "inside_uml.py"


def _plan() -> dict[str, Any]:
    topology = make_topology("host", _SITES)
    kernel = HostKernel()
    steps: list[wiring.Step] = [
        wiring.wan(),
        *kernel.cable(),
        wiring.uplinks([(0, "hub"), *((site.index, site.name) for site in _SITES)]),
        wiring.hub(),
    ]
    for site in _SITES:
        steps += wiring.site_steps(site)
    steps.append(wiring.known_ports([0, *(site.index for site in _SITES)]))
    orders = []
    queues = [*shaping.root(), *shaping.queues(topology), *shaping.lookups(topology)]
    for program, lines in (("ip", shaping.routes(topology)), ("tc", queues)):
        text = "\n".join(lines).replace("@DEV@", kernel.device) + "\n"
        orders.append({"argv": [program, "-batch", "-"], "text": text})
    places = ["wan", "router", "hub", *(place for site in _SITES for place in wiring.places(site))]
    serve = ["iperf3", "-s", "-D", "-p", str(UPDATE_PORT)]
    measures = [{"place": "hub", "argv": serve}]
    for site in _SITES * _TIMES:
        place = f"{site.name}/worker"
        measures.append({"place": place, "argv": ["ping", "-c", "20", "-i", "0.05", "-q", HUB_ADDRESS]})
        for way in ((), ("-R",)):
            call = ["iperf3", "-c", HUB_ADDRESS, "-p", str(UPDATE_PORT), "-t", "4", "-O", "1", "-J", *way]
            measures.append({"place": place, "argv": call})
    return {
        "places": places,
        "settings": wiring.SETTINGS,
        "steps": [asdict(step) for step in steps],
        "router": orders,
        "measures": measures,
    }


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What the measures printed, in order, inside a user-mode kernel in namespaces of its own."""
    if shutil.which("linux.uml") is None:
        pytest.skip("no user-mode Linux on this machine (Debian's user-mode-linux)")
    folder = tmp_path_factory.mktemp("uml")
    (folder / "plan.json").write_text(json.dumps(_plan()))
    kernel = [*STARTED, "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro", "mem=256M", "con=null"]
    kernel += ["con0=null,fd:1", "quiet", f"uml_dir={folder}/", f"init={sys.executable}", "--"]
    kernel += ["-I", "-S", str(_INSIDE), str(folder / "plan.json")]
    isolated = ["unshare", "-Urnmpf", "--kill-child", "--mount-proc", "nice", "-n", "-10", *kernel]
    printed = subprocess.run(isolated, capture_output=True, text=True, timeout=400, check=False).stdout
    lines = [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
    assert lines, printed[-2000:]
    assert lines[0] == {"built": {}}, printed[-2000:]
    return lines[2:]


def _series(measured: list[dict[str, Any]], number: int, which: int) -> list[str]:
    """What one of a site's three measures printed, each time."""
    each = 3 * len(_SITES)
    return [measured[3 * number + which + each * time]["output"] for time in range(_TIMES)]


@pytest.mark.parametrize("number", range(len(_SITES)))
def test_the_hosts_netem_gives_the_delay_asked_for(measured: list[dict[str, Any]], number: int) -> None:
    link = LINKS[_SITES[number].group]
    asked_ms = 1000 * (link.down.delay_s + link.up.delay_s + HUB_LINK.down.delay_s + HUB_LINK.up.delay_s)
    errors_ms = []
    for measure in _series(measured, number, 0):
        found = re.search(r"= [\d.]+/([\d.]+)/", measure)
        assert found, measure
        errors_ms.append(abs(float(found[1]) - asked_ms))
    assert min(errors_ms) <= max(1.0, 0.03 * asked_ms)


@pytest.mark.parametrize("number", range(len(_SITES)))
@pytest.mark.parametrize("way", ["up", "down"])
def test_the_hosts_token_bucket_gives_the_rate_asked_for(measured: list[dict[str, Any]], number: int, way: str) -> None:
    link = LINKS[_SITES[number].group]
    asked_bps = (link.up if way == "up" else link.down).rate_bps
    carried_bps = [
        json.loads(printed)["end"]["sum_received"]["bits_per_second"] * 1500 / 1448
        for printed in _series(measured, number, 1 if way == "up" else 2)
    ]
    assert min(carried_bps, key=lambda rate: abs(rate - asked_bps)) == pytest.approx(asked_bps, rel=0.05)
