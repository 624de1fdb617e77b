"""Counting, killing and clearing away whatever a program started or wrote.

As pid 1 of its own pid namespace the zygote reaches everything by one signal, which the kernel delivers with
the process list locked: nothing can fork its way out, and nothing can signal back at pid 1. Elsewhere it is
the subreaper of its descendants and kills generation after generation until none is left.
"""

import contextlib
import os
import resource
import signal
import time
from dataclasses import dataclass
from os import chmod, kill, rmdir, unlink  # as they are now: mode official takes them from os
from pathlib import Path

_PAGE = resource.getpagesize()
_CLEAR_S = 0.3


@dataclass(frozen=True)
class Usage:
    """What all descendants of this process use together; cpu_s is without those already reaped."""

    processes: int
    threads: int
    resident_bytes: int
    cpu_s: float


def kill_all() -> None:
    """Send SIGKILL to every process but this one; they remain to be reaped."""
    if os.getpid() == 1:
        _kill(-1)
    else:
        for pid in _children(os.getpid()):
            _kill(pid)


def reap_all() -> float:
    """Kill and reap every descendant; return the CPU seconds that they had used."""
    cpu_s = 0.0
    while True:
        kill_all()
        try:
            _, _, usage = os.wait4(-1, 0)
        except ChildProcessError:
            return cpu_s
        cpu_s += usage.ru_utime + usage.ru_stime


def census() -> Usage:
    """Count this process's descendants."""
    threads = resident = 0
    cpu = 0.0
    pids = _descendants()
    for pid in pids:
        cpu += cpu_s(pid)
        try:
            threads += os.stat(f"/proc/{pid}/task").st_nlink - 2
            resident += int(_read(f"/proc/{pid}/statm").split()[1]) * _PAGE
        except (OSError, IndexError):  # it has just ended
            continue
    return Usage(len(pids), threads, resident, cpu)


def cpu_s(pid: int) -> float:
    """Return the CPU seconds of all threads of a process; 0 when it has ended."""
    try:
        return time.clock_gettime((~pid << 3) | 2)  # the clock that clock_getcpuclockid(3) would name
    except OSError:
        return 0.0


def longest_run_delay() -> float:
    """Return the longest `_run_delay` of any descendant."""
    return max(map(_run_delay, _descendants()), default=0.0)


def _run_delay(pid: int) -> float:
    """Return the seconds for which threads of a process could have run but had no processor, summed.

    0 on a kernel without CONFIG_SCHED_INFO. A thread that has ended takes its own with it.
    """
    nanoseconds = 0
    with contextlib.suppress(OSError, IndexError):  # it has just ended
        for thread in os.listdir(f"/proc/{pid}/task"):
            nanoseconds += int(_read(f"/proc/{pid}/task/{thread}/schedstat").split()[1])
    return nanoseconds * 1e-9


def clear(directory: str) -> bool:
    """Remove everything in a directory, whatever its permissions; False if something is left.

    Gives up after a moment: making files is quick, removing thousands of them is not the program's own time.
    """
    with contextlib.suppress(OSError):
        if not os.listdir(directory):  # as most programs leave it
            return True
    try:
        _empty(directory, time.monotonic() + _CLEAR_S)
        return not os.listdir(directory)
    except (OSError, RecursionError):
        return False


def _empty(directory: str, deadline: float) -> None:
    chmod(directory, 0o700)
    with os.scandir(directory) as entries:
        for entry in entries:
            if time.monotonic() > deadline:
                raise TimeoutError
            if entry.is_dir(follow_symlinks=False):
                _empty(entry.path, deadline)
                rmdir(entry.path)
            else:
                unlink(entry.path)


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        kill(pid, signal.SIGKILL)


def _descendants() -> list[int]:
    if os.getpid() == 1:
        return [int(name) for name in os.listdir("/proc") if name.isdigit() and name != "1"]
    found = _children(os.getpid())
    for pid in found:  # grows while it is walked
        found.extend(_children(pid))
    return found


def _children(pid: int) -> list[int]:
    pids: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            pids.extend(map(int, _read(f"/proc/{pid}/task/{thread}/children").split()))
    except OSError:  # it has just ended
        pass
    return pids


def _read(path: str) -> str:
    return Path(path).read_text()
