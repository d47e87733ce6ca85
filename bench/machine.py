"""What the machine is and how busy, and what processes and databases hold. Linux only."""

import os
import platform
import time
from pathlib import Path

PROC = Path("/proc")


def describe() -> dict[str, str]:
    """Return cores, memory and versions; nothing that names the machine."""
    return {
        "cores": str(os.cpu_count()),
        "processor": _field(PROC / "cpuinfo", "model name"),
        "memory": f"{int(_field(PROC / 'meminfo', 'MemTotal').split()[0]) / 1048576:.0f} GiB",
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "python": platform.python_version(),
    }


def load() -> float:
    """Return the load average of the last minute, our own work included."""
    return os.getloadavg()[0]


def busy(seconds: float = 2.0) -> float:
    """Return how many cores are busy while we ourselves wait: the others' work."""
    before, began = _busy_ticks(), time.monotonic()
    time.sleep(seconds)
    ticks = _busy_ticks() - before
    return ticks / os.sysconf("SC_CLK_TCK") / (time.monotonic() - began)


def children(pid: int) -> list[int]:
    """Return a process and all that it started, directly or not."""
    parents = {}
    for folder in PROC.glob("[0-9]*"):
        try:
            stat = (folder / "stat").read_text()
        except OSError:  # it ended meanwhile
            continue
        parents[int(folder.name)] = int(stat.rpartition(")")[2].split()[1])
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def web_process(supervisor: int) -> int:
    """Return the process that answers polls."""
    for pid in children(supervisor):
        if b"portal.web" in (PROC / str(pid) / "cmdline").read_bytes():
            return pid
    raise LookupError("there is no web process")


def memory(pid: int) -> float:
    """Return a process's proportional share of memory (PSS), in MiB."""
    return int(_field(PROC / str(pid) / "smaps_rollup", "Pss").split()[0]) / 1024


def _field(file: Path, name: str) -> str:
    for line in file.read_text().splitlines():
        if line.startswith(name):
            return line.partition(":")[2].strip()
    return "0"


def _busy_ticks() -> int:
    words = (PROC / "stat").read_text().split("\n", 1)[0].split()[1:]
    user, nice, system, _idle, _iowait, irq, soft, *_ = map(int, words)
    return user + nice + system + irq + soft
