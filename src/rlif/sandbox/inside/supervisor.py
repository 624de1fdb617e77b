"""`Supervised`: one forked child, its time, its output and its end, watched from outside it."""

import contextlib
import fcntl
import os
import select
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

from rlif.sandbox.inside import child, frames, lockdown, reaper, reports
from rlif.sandbox.inside.limits import Bounds, LimitReached, Stopped
from rlif.sandbox.inside.pages import Buffer, OutputBuffer

CHUNK = 1 << 16
"""Most bytes that one read takes in."""
_MAX_OPEN = 4096
_WATCH_S = 0.02
"""How often time, processes and memory of a program are looked at; most programs end before that."""
_AGAIN_S = 0.001
"""How often what an ended program has left is killed again, while it still holds standard output open."""
_FORGIVEN_PROCESSES = 2
_PATIENCE = 20
"""How much longer than its limits a program may take on a machine that hardly lets it run."""

_NULL = fcntl.fcntl(os.open(os.devnull, os.O_RDWR), fcntl.F_DUPFD_CLOEXEC, 10)


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

    Wall time is counted without what the child's threads spent waiting for a processor (the run delay of
    /proc/PID/schedstat), so that a busy machine does not turn a right program into a slow one. A program of
    more than two processes may be waiting for itself: it is forgiven nothing.

    Args:
        run: what the child does; its return value is the exit code.
        stdin: bytes for its standard input.
        capture_stdout: `read` gives its standard output; else its reports, and standard output is discarded.
        bounds: what is enforced from here. limits: what the kernel enforces.
        seconds_left: wall seconds left of the program's total.
        connection: rlif's end of the zygote; when it closes, everything dies.
        idle: called every now and then while the child runs.

    Attributes:
        ending, used_s: how it ended, and the wall seconds that count against the program's total; from
            `finish` on.
    """

    ending: Ending
    used_s: float

    def __init__(
        self,
        run: Callable[[], int],
        stdin: Buffer,
        capture_stdout: bool,
        bounds: Bounds,
        limits: lockdown.RLimits,
        seconds_left: float,
        connection: socket.socket,
        idle: Callable[[], None],
    ) -> None:
        self._bounds, self._seconds_left = bounds, seconds_left
        self._connection, self._idle = connection, idle
        self._report, report_end = os.pipe()
        self._stdout, stdout_end = os.pipe() if capture_stdout else (-1, _NULL)
        self.pid = lockdown.fork()
        if self.pid == 0:
            _become_child(run, stdin, stdout_end, report_end, limits)
        os.close(report_end)
        if capture_stdout:
            os.close(stdout_end)
        self._source = self._stdout if capture_stdout else self._report
        os.set_blocking(self._report, False)
        os.set_blocking(self._source, False)
        self._pidfd = os.pidfd_open(self.pid)
        self._is_closed = self._has_ended = False
        self._poll = select.poll()
        self._poll.register(self._source, select.POLLIN)
        self._poll.register(self._pidfd, select.POLLIN)
        self._poll.register(connection, select.POLLIN | select.POLLRDHUP)
        self._started = self._marked = time.monotonic()
        self._marked_cpu = self._cpu = 0.0
        self._delay = self._marked_delay = 0.0
        self._is_forgiven = True
        self._next_look = self._marked + _WATCH_S

    def read(self, buffer: OutputBuffer) -> bool:
        """Add what the child wrote next to a buffer with room; False after its end.

        Raises `LimitReached` and `Stopped`.
        """
        while not (self._is_closed and self._has_ended):
            wait_s = _AGAIN_S if self._has_ended else max(0.0, self._next_look - time.monotonic())
            events = dict(self._poll.poll(1000 * wait_s))
            if self._connection.fileno() in events:
                self._heed()
            if self._pidfd in events:
                self._poll.unregister(self._pidfd)
                self._has_ended = True
            if self._has_ended:
                reaper.kill_all()  # what it has left may not go on writing, nor what that starts
            else:
                self._look()
            if self._source in events:
                if count := os.readv(self._source, [buffer.room[:CHUNK]]):
                    buffer.added(count)
                    return True
                self._poll.unregister(self._source)  # closed, but the child may still run
                self._is_closed = True
        return False

    def read_report(self, buffer: OutputBuffer) -> None:
        """Add what the child has reported so far to a buffer with room (if `read` gives standard output)."""
        with contextlib.suppress(BlockingIOError):
            buffer.added(os.readv(self._report, [buffer.room[:CHUNK]]))

    def mark(self) -> tuple[float, float]:
        """Start the clocks of the next input; return the CPU and wall seconds since the last mark."""
        now, cpu = time.monotonic(), self._cpu_s()
        spent = cpu - self._marked_cpu, now - self._marked
        self._marked, self._marked_cpu, self._marked_delay = now, cpu, self._delay
        return spent

    def finish(self) -> None:
        """Kill and reap the child and everything it started."""
        reaper.kill_all()
        _, status, usage = os.wait4(self.pid, 0)
        cpu_s = usage.ru_utime + usage.ru_stime + reaper.reap_all()
        for fd in {self._source, self._report, self._pidfd}:
            os.close(fd)
        self.ending = Ending(status, cpu_s, usage.ru_maxrss * 1024)
        self.used_s = time.monotonic() - self._started - self._delay

    def _heed(self) -> None:
        """Do what rlif says: it wants no more of this program, or it has gone."""
        try:
            message = frames.receive(self._connection, 0, bytearray)
        except (OSError, ValueError):
            message = None
        if message is None:
            reaper.reap_all()
            os._exit(1)
        raise Stopped

    def _look(self) -> None:
        """See, if it is time to, whether a limit has been reached; raises `LimitReached`."""
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + _WATCH_S
        self._idle()
        usage = reaper.census()
        self._is_forgiven = self._is_forgiven and usage.processes <= _FORGIVEN_PROCESSES
        if usage.threads > self._bounds.processes:
            raise LimitReached("killed", f"over {self._bounds.processes} processes and threads")
        if usage.resident_bytes > self._bounds.memory_bytes:
            raise LimitReached("memory_limit", f"over {self._bounds.memory_bytes >> 20} MB")
        if max(usage.cpu_s, self._cpu_s()) - self._marked_cpu > self._bounds.cpu_seconds:
            raise LimitReached("timeout", f"over {self._bounds.cpu_seconds:g} s of CPU time")
        for limit, since, waited_before, what in (
            (self._bounds.seconds, self._marked, self._marked_delay, "of wall time"),
            (self._seconds_left, self._started, 0.0, "left for all inputs"),
        ):
            if now - since > limit:
                if self._is_forgiven:
                    self._delay = max(self._delay, reaper.longest_run_delay())
                if now - since - (self._delay - waited_before) > limit or now - since > _PATIENCE * limit:
                    raise LimitReached("timeout", f"over {limit:.3g} s {what}")

    def _cpu_s(self) -> float:
        self._cpu = reaper.cpu_s(self.pid) or self._cpu  # none of a child that has ended
        return self._cpu


def _become_child(
    run: Callable[[], int], stdin: Buffer, stdout: int, report: int, limits: lockdown.RLimits
) -> None:
    """Take the standard descriptors, close all others, give up everything, run; does not return."""
    code = 70
    try:
        # Descriptor 0 is one memory file for all children: a filter keeps them from making their own.
        os.ftruncate(0, 0)
        os.pwrite(0, stdin, 0)
        os.lseek(0, 0, os.SEEK_SET)
        os.dup2(stdout, 1)
        os.dup2(_NULL, 2)
        os.dup2(report, reports.REPORT_FD)
        os.closerange(child.CODE_FD + 1, _MAX_OPEN)
        lockdown.lock_child(limits)
        code = run()
    finally:
        os._exit(code)
