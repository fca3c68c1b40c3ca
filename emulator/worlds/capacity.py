"""What the WAN's router can carry on this machine: measured once, kept in the home's cache, held against topologies.

A router in software carries only so much; beyond that, links come out slower than asked, and nothing shows it. So it is
measured with links that are wider than any router here, by as many TCP flows as iperf3 can be given at once.
"""

import json
import os
import platform
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from emulator import wan as kernels
from emulator.errors import CannotHere, Fell
from emulator.places import CONTROL_PORT, HUB_ADDRESS, MODEL_PORT, UPDATE_PORT
from emulator.reach import Agent
from emulator.shaping import whole_path
from emulator.topology.resolved import Cohort, Compute, Direction, Hub, Link, Pacs, Site, Topology, Training
from emulator.waiting import wait_until
from emulator.worlds import birth
from emulator.worlds.build import Builder
from emulator.worlds.home import home
from emulator.worlds.record import WorldRecord, keep_names
from emulator.writing import write_whole

_PORTS = (CONTROL_PORT, MODEL_PORT, UPDATE_PORT)
_FLOWS_EACH = 4
_SECONDS = 3
_WIDE_BPS = 10_000_000_000
_IP_BYTES, _PAYLOAD_BYTES = 1500, 1448  # of a full packet; rates count IP bytes, iperf3 what TCP carries
_QUIET = 0.25
_LOOK_S = 0.3
_NOWHERE = "router.capacity"  # no world can have this name


@dataclass(frozen=True)
class Capacity:
    """`bps` (IP bytes) that the router of kind `kernel` carried, all flows together; `machine` is where."""

    kernel: str
    bps: float
    machine: str


def kept(kernel: str) -> Capacity | None:
    """What was measured on this machine before; None where nothing was, or the machine has changed."""
    try:
        found = Capacity(**json.loads(_file(kernel).read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return found if found.machine == _machine() else None


def measure(kernel: str) -> Capacity:
    """Measure and keep it, in a world of its own that is gone afterwards, whatever happens; about 5 s.

    Raises `CannotHere` where iperf3 or the kernel is missing, `Fell` where other programs keep the processors busy.
    """
    if shutil.which("iperf3") is None:
        raise CannotHere("iperf3, which measures what the router carries, is not installed; apt-get install iperf3")
    if (busy := _busy()) > _QUIET:
        raise Fell(f"other programs take {busy * 100:.0f} % of the processors; measure when they are done")
    folder = home() / "scratch" / _NOWHERE
    birth.erase(folder)
    folder.mkdir(parents=True, mode=0o700)
    try:
        bps = _carried(kernel, folder)
    finally:
        birth.erase(folder)
    return keep(Capacity(kernel, bps, _machine()))


def keep(found: Capacity) -> Capacity:
    """Keep what was measured, in the place of what was kept before."""
    _file(found.kernel).parent.mkdir(parents=True, exist_ok=True)
    write_whole(_file(found.kernel), json.dumps(asdict(found)).encode())
    return found


@dataclass(frozen=True)
class Beyond:
    """What of a topology a router can't carry: sites by name whose own link is wider, and what all links together may
    ask for at once (bps; 0 where that is carried).
    """

    sites: tuple[str, ...]
    together_bps: int


def beyond(topology: Topology, bps: float) -> Beyond:
    """What `topology` asks for beyond `bps`, which the router carries in both directions together."""
    paths = {site.name: whole_path(topology, site) for site in topology.sites}
    wide = tuple(name for name, path in paths.items() if max(path.up.rate_bps, path.down.rate_bps) > bps)
    hub = topology.hub.link
    ways = (
        min(hub.down.rate_bps, sum(path.up.rate_bps for path in paths.values())),
        min(hub.up.rate_bps, sum(path.down.rate_bps for path in paths.values())),
    )
    return Beyond(wide, max(ways) if max(ways) > bps else 0)


class _Enough(Exception):  # noqa: N818 - no error: the world that measured is to end like one that failed
    """What was measured, in bits per second."""


def _carried(kernel: str, folder: Path) -> float:
    topology = _wide()
    keep_names(folder, topology)
    record = WorldRecord(_NOWHERE, "starting", kernel, "", 0.0, 0, "", "", ())
    try:
        with birth.born(birth.begin(folder), record) as (agent, _):
            builder = Builder(folder, agent, kernels.choose(kernel), lambda _what, _done, _of: None)
            builder.begin()
            builder.add_sites(topology.sites, (), topology)
            builder.shape(topology, "new")
            raise _Enough(_all_at_once(agent, topology))
    except _Enough as enough:
        bps: float = enough.args[0]
        return bps


def _all_at_once(agent: Agent, topology: Topology) -> float:
    for port in _PORTS:
        agent.output("hub", ["iperf3", "-s", "-D", "-p", str(port)])
    wait_until(
        lambda: all(f":{port} " in agent.output("hub", ["ss", "-Hltn"])[1] for port in _PORTS),
        within_s=10,
        what="iperf3 at the hub",
    )
    with ThreadPoolExecutor(len(_PORTS)) as hands:
        payload_bps = sum(hands.map(lambda flow: _flow(agent, *flow), zip(topology.sites, _PORTS, strict=True)))
    return payload_bps * _IP_BYTES / _PAYLOAD_BYTES


def _flow(agent: Agent, site: Site, port: int) -> float:
    """What one site's TCP flows carried to the hub, all together, in bits per second of payload."""
    argv = ["iperf3", "-c", HUB_ADDRESS, "-p", str(port), "-P", str(_FLOWS_EACH), "-t", str(_SECONDS), "-J"]
    code, printed = agent.output(f"{site.name}/worker", argv)
    if code:
        raise Fell(f"iperf3 could not measure the router: {printed.strip()[-300:]}")
    return float(json.loads(printed)["end"]["sum_received"]["bits_per_second"])


def _wide() -> Topology:
    """One site for each port of the hub, all behind links that no router here can fill."""
    wide = Direction(_WIDE_BPS, 0.0005)
    link, cohort = Link("wide", wide, wide), Cohort("phantom", 1, {"control": 1}, "", (), "single-frame")
    sites = tuple(
        Site(index, f"s{index}", "", "namespace", link, Pacs("", ""), cohort, Compute(0.0))
        for index, _ in enumerate(_PORTS, 1)
    )
    return Topology("capacity", 0, Hub(link), sites, Training("", "", 1, 1, 1, 1.0, 0.5, False))


def _busy() -> float:
    """The share of all processors' time that is spent now, looked at for a moment."""
    before = _ticks()
    time.sleep(_LOOK_S)
    after = _ticks()
    spent, idle = (after[name] - before[name] for name in (0, 1))
    return spent / max(1, spent + idle)


def _ticks() -> tuple[int, int]:
    """Clock ticks of all processors since boot: at work, and idle."""
    numbers = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    idle = numbers[3] + numbers[4]
    return sum(numbers) - idle, idle


def _machine() -> str:
    """What a measurement holds for: this kernel on this many processors of this kind."""
    model = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line), "")
    return f"{platform.release()}, {len(os.sched_getaffinity(0))} × {model.partition(':')[2].strip()}"


def _file(kernel: str) -> Path:
    return home() / "cache" / f"capacity-{kernel}.json"
