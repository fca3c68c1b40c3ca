"""Fifty hospitals on virtual machines: `up` against fifty clones by QEMU alone, what they cost while idle, `down`.

The images and the cohorts are made before; one `up` before the measured one boots the golden guest.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import psutil
from figures import tell

from emulator import images
from emulator.worlds import World, home
from testbed import composition

_TOPOLOGY = Path(__file__).parents[2] / "topologies" / "50_sites.yaml"
_RAW = Path(__file__).parent / "raw_guests.py"
_NAME = "bench-vm"
_IDLE_S = 30.0
_MIB = 2**20


def _timed(*words: str) -> float:
    began = time.monotonic()
    subprocess.run([sys.executable, "-m", "testbed", *words], check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - began


def _quiet(_what: str, _done: int, _of: int) -> None:
    """Progress that nobody watches."""


def _raw_s(count: int) -> float:
    image = images.get("debian-12", _quiet)
    topology = composition.read(_TOPOLOGY)
    service = composition.services(topology, {site.name: Path("/nowhere") for site in topology.sites})[0]
    configuration = dict(service.files)["orthanc.json"].replace("@FOLDER@", "/run/pacs")
    with tempfile.TemporaryDirectory(dir=home()) as folder:
        Path(folder, "orthanc.json").write_text(configuration)
        boots = [str(image.kernel), str(image.initrd), str(image.root), image.arguments]
        argv = ["unshare", "-nmpf", "--kill-child", "--mount-proc", sys.executable, str(_RAW), folder, *boots]
        done = subprocess.run([*argv, f"{folder}/orthanc.json", str(count)], check=True, capture_output=True, text=True)
        return float(done.stdout)


def _guests() -> list[psutil.Process]:
    found = (process for process in psutil.process_iter(["name", "cmdline"]) if "qemu-system" in process.info["name"])
    return [process for process in found if f"worlds/{_NAME}/" in " ".join(process.info["cmdline"])]


def _cpu_s(guests: Sequence[psutil.Process]) -> float:
    return sum(sum(guest.cpu_times()[:2]) for guest in guests)


def main() -> None:
    count = len(composition.read(_TOPOLOGY).sites)
    raw = _raw_s(count)
    up = ("up", str(_TOPOLOGY), "--name", _NAME, "--machine", "vm")
    try:
        _timed(*up)
        _timed("down", _NAME)
        took = _timed(*up)
        print(f"{count} clones by QEMU alone: {raw:.1f} s")
        tell("up of fifty virtual machines, golden guest cached", took, 2 * raw, "s")
        World.open(_NAME)
        guests = _guests()
        before, began = _cpu_s(guests), time.monotonic()
        time.sleep(_IDLE_S)
        share = (_cpu_s(guests) - before) / (time.monotonic() - began)
        tell("processor time of fifty idle virtual machines", 100 * share, 60, "% of one core")
        pss = sum(guest.memory_full_info().pss for guest in guests) / len(guests) / _MIB
        tell("memory (PSS) of an idle virtual machine of fifty", pss, 64, "MiB")
    finally:
        tell("down of fifty virtual machines", _timed("down", _NAME), 5, "s")
    left = _guests()
    print(f"left: {len(left)} processes")


if __name__ == "__main__":
    main()
