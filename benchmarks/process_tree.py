"""What /proc knows of a process and everything below it: who is alive, and how much CPU time it took."""

import os
import time
from pathlib import Path
from typing import NamedTuple

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Process(NamedTuple):
    """One process, as /proc/PID/stat tells of it.

    started: clock ticks since boot; reaped_cpu_s: CPU seconds of the children it has waited for.
    """

    pid: int
    parent: int
    name: str
    state: str
    started: int
    reaped_cpu_s: float

    @property
    def key(self) -> tuple[int, int]:
        """What tells it from any other process, even one that gets its number later."""
        return self.pid, self.started

    @property
    def is_alive(self) -> bool:
        return self.state not in "ZX"

    @property
    def cpu_s(self) -> float:
        """CPU seconds of its own, all threads together, to the nanosecond."""
        try:
            return time.clock_gettime((~self.pid << 3) | 2)  # as clock_getcpuclockid(3) names that clock
        except OSError:
            return 0.0


def descendants(pid: int) -> list[Process]:
    """Return all descendants of a process, children before grandchildren, in other namespaces too."""
    children: dict[int, list[Process]] = {}
    for process in map(_read, filter(str.isdigit, os.listdir("/proc"))):
        if process:
            children.setdefault(process.parent, []).append(process)
    found = list(children.get(pid, ()))
    for process in found:  # grows while it is walked
        found.extend(children.get(process.pid, ()))
    return found


def own_resident_mb() -> float:
    """Return the memory that this process holds, in MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE / 2**20


def tree_cpu_s(pid: int) -> float:
    """Return the CPU seconds that a process and its descendants have used, those that ended included.

    The time of reaped children is known in clock ticks only (10 ms as a rule); the rest is exact.
    """
    root = _read(str(pid))
    assert root is not None
    return sum(process.cpu_s + process.reaped_cpu_s for process in [root, *descendants(pid)])


def _read(pid: str) -> Process | None:
    try:
        head, _, tail = Path(f"/proc/{pid}/stat").read_text().rpartition(")")
    except OSError:  # it has just ended
        return None
    fields = tail.split()
    reaped = (int(fields[13]) + int(fields[14])) / _TICKS
    return Process(int(pid), int(fields[1]), head.partition("(")[2], fields[0], int(fields[19]), reaped)
