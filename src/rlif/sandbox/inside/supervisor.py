"""`Supervised`: one forked child, its time, its output and its end, watched from outside it."""

import contextlib
import os
import select
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

from rlif.sandbox.inside import child, lockdown, reaper, reports
from rlif.sandbox.inside.limits import Bounds, LimitReached

_CHUNK = 1 << 16
_MAX_OPEN = 4096
_WATCH_S = 0.02
"""How often the processes and memory of a program are counted; most programs end before the first time."""


@dataclass(frozen=True)
class Ending:
    """How a child ended: its wait status, and what it and all its descendants used."""

    wait_status: int
    cpu_s: float
    peak_bytes: int

    @property
    def exit_code(self) -> int:
        """Exit code, or minus the number of the signal that ended it."""
        return os.waitstatus_to_exitcode(self.wait_status)

    def describe(self) -> str:
        """Say in words how it ended."""
        code = self.exit_code
        return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exited with code {code}"


class Supervised:
    """A forked child. Read it until it ends or a limit is reached, then always `finish` it.

    Args:
        run: what the child does; its return value is the exit code.
        stdin: bytes for its standard input.
        capture_stdout: `read` gives its standard output; else its reports, and standard output is discarded.
        bounds: what is enforced from here. limits: what the kernel enforces.
        deadline: time on the monotonic clock that ends it whatever it does.
        connection: rlif's end of the zygote; when it closes, everything dies.
    """

    def __init__(
        self,
        run: Callable[[], int],
        stdin: bytes,
        capture_stdout: bool,
        bounds: Bounds,
        limits: list[lockdown.RLimit],
        deadline: float,
        connection: socket.socket,
    ) -> None:
        self._bounds, self._deadline = bounds, deadline
        self._connection = connection
        self._report, report_end = os.pipe()
        self._stdout, stdout_end = os.pipe() if capture_stdout else (-1, os.open(os.devnull, os.O_WRONLY))
        self.pid = os.fork()
        if self.pid == 0:
            _become_child(run, stdin, stdout_end, report_end, limits)
        os.close(report_end)
        os.close(stdout_end)
        self._source = self._stdout if capture_stdout else self._report
        os.set_blocking(self._report, False)
        os.set_blocking(self._source, False)
        self._pidfd = os.pidfd_open(self.pid)
        self._ended = False
        self._poll = select.poll()
        self._poll.register(self._source, select.POLLIN)
        self._poll.register(self._pidfd, select.POLLIN)
        self._poll.register(connection, select.POLLRDHUP)
        self._marked = time.monotonic()
        self._marked_cpu = self._cpu = 0.0
        self._next_census = self._marked + _WATCH_S

    def read(self) -> bytes:
        """Return what the child wrote next, b"" after its end; raises `LimitReached`."""
        while not self._ended:
            events = dict(self._poll.poll(self._milliseconds_left()))
            if self._connection.fileno() in events:
                reaper.reap_all()
                os._exit(1)
            if self._source in events:
                if chunk := os.read(self._source, _CHUNK):
                    return chunk
                self._poll.unregister(self._source)  # closed, but the child may still run
            elif self._pidfd in events:
                self._ended = True
        return b""

    def mark(self) -> tuple[float, float]:
        """Start the clocks of the next input; return the CPU and wall seconds since the last mark."""
        now, cpu = time.monotonic(), self._cpu_s()
        spent = cpu - self._marked_cpu, now - self._marked
        self._marked, self._marked_cpu = now, cpu
        return spent

    def report(self) -> bytes:
        """Return what the child has reported so far (used where `read` gives standard output)."""
        try:
            return os.read(self._report, _CHUNK)
        except BlockingIOError:
            return b""

    def finish(self) -> Ending:
        """Kill and reap the child and everything it started."""
        reaper.kill_all()
        _, status, usage = os.wait4(self.pid, 0)
        cpu_s = usage.ru_utime + usage.ru_stime + reaper.reap_all()
        for fd in {self._source, self._report, self._pidfd}:
            os.close(fd)
        return Ending(status, cpu_s, usage.ru_maxrss * 1024)

    def _milliseconds_left(self) -> float:
        """Return how long to wait before looking again; raises `LimitReached` when there is no time left."""
        now = time.monotonic()
        wall_left = self._marked + self._bounds.seconds - now
        cpu_left = self._bounds.cpu_seconds - (self._cpu_s() - self._marked_cpu)
        if wall_left <= 0:
            raise LimitReached("timeout", f"over {self._bounds.seconds:g} s of wall time")
        if cpu_left <= 0:
            raise LimitReached("timeout", f"over {self._bounds.cpu_seconds:g} s of CPU time")
        if now >= self._deadline:
            raise LimitReached("timeout", f"over {self._bounds.total_seconds:g} s for all inputs")
        if now >= self._next_census:
            self._take_census()
            self._next_census = now + _WATCH_S
        return 1000 * min(wall_left, cpu_left, self._deadline - now, self._next_census - now) + 1

    def _take_census(self) -> None:
        threads, resident = reaper.census()
        if threads > self._bounds.processes:
            raise LimitReached("killed", f"over {self._bounds.processes} processes and threads")
        if resident > self._bounds.memory_bytes:
            raise LimitReached("memory_limit", f"over {self._bounds.memory_bytes >> 20} MB")

    def _cpu_s(self) -> float:
        with contextlib.suppress(OSError):  # it has ended
            # the clock that clock_getcpuclockid(3) would name
            self._cpu = time.clock_gettime((~self.pid << 3) | 2)
        return self._cpu


def _become_child(
    run: Callable[[], int], stdin: bytes, stdout: int, report: int, limits: list[lockdown.RLimit]
) -> None:
    """Take the standard descriptors, close all others, give up everything, run; does not return."""
    code = 70
    try:
        memory = os.memfd_create("stdin")
        os.write(memory, stdin)
        os.lseek(memory, 0, os.SEEK_SET)
        os.dup2(memory, 0)
        os.dup2(stdout, 1)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        os.dup2(report, reports.REPORT_FD)
        os.closerange(child.CODE_FD + 1, _MAX_OPEN)
        lockdown.lock_child(limits)
        code = run()
    finally:
        os._exit(code)
