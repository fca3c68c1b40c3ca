"""Which process is which: numbers are used again, a number with its birth is not."""

from pathlib import Path


def birth(pid: int, processes: Path = Path("/proc")) -> str:
    """When a process started, in clock ticks since boot; "gone" when there is none (a zombie has ended). `processes` is
    the proc that counts it so.
    """
    try:
        fields = (processes / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return "gone"
    return "gone" if fields[0] in "ZX" else fields[19]
