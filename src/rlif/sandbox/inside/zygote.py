"""The zygote: a warm Python process that forks one child for each program (`main` is all it does).

It is started by `rlif.sandbox.worker` and serves one program at a time: a request comes in on descriptor 0 (a
socket), children are forked and supervised, one reply goes out. It never runs a byte of a program itself, and
what children report passes through it unread but for the frame heads.
"""

import fcntl
import gc
import math
import os
import site
import socket
import time
from collections.abc import Callable
from typing import Any

from rlif.sandbox.inside import child, frames, lockdown, reaper, reports
from rlif.sandbox.inside.limits import Bounds, LimitReached
from rlif.sandbox.inside.reports import Reporter, ReportReader
from rlif.sandbox.inside.supervisor import Ending, Supervised

_MAX_REQUEST = 1 << 30
_MAX_FILE = 64 << 20


def main(scratch: str) -> None:
    """Serve until rlif hangs up. scratch: the one writable directory, emptied after each child."""
    connection = _take_connection()
    os.chdir(scratch)
    child.make_standard_streams()
    site.setquit()  # `exit` and `quit`, which python -S leaves out
    has_seccomp = lockdown.lock_zygote()
    frames.send(connection, {"facts": {**lockdown.facts(), "seccomp": has_seccomp}})
    gc.collect()
    gc.freeze()  # collections in a child then leave the pages it shares alone
    while request := frames.receive(connection, _MAX_REQUEST):
        header, (source, *inputs) = request
        job = Job(header, source, inputs, connection)
        job.run()
        frames.send(connection, job.reply(), job.values)
        if not job.clean:
            return


class Job:
    """One program and what has become of its inputs so far.

    outputs and values are parallel: status and times of an input, and its encoded result (b"" unless ok).
    clean: nothing that the program wrote is left.
    """

    def __init__(
        self, header: dict[str, Any], source: bytes, inputs: list[bytes], connection: socket.socket
    ) -> None:
        self._source, self._inputs = source, inputs
        self._entry_point: str | None = header["entry_point"]
        self._prelude: bool = header["prelude"]
        self._bounds = Bounds(**header["bounds"])
        self._connection = connection
        calls = 1 if self._entry_point is None else len(inputs)  # served by one child
        self._limits = lockdown.child_limits(
            self._bounds.memory_bytes,
            cpu_seconds=math.ceil(self._bounds.cpu_seconds * calls) + 1,
            file_bytes=max(_MAX_FILE, self._bounds.output_bytes),
            processes=self._bounds.processes,
        )
        self._deadline = time.monotonic() + self._bounds.total_seconds
        self._error = ""
        self._cpu_s = 0.0
        self._peak_bytes = 0
        self.clean = True
        self.outputs: list[dict[str, Any]] = []
        self.values: list[bytes] = []

    def run(self) -> None:
        """Run the program on all inputs."""
        if self._entry_point is not None:
            self._run_functional(self._entry_point)
        else:
            self._run_script()
        self._fill("not_run")

    def reply(self) -> dict[str, Any]:
        """Return the header of the reply."""
        return {
            "outputs": self.outputs,
            "error": self._error,
            "cpu_s": self._cpu_s,
            "peak_bytes": self._peak_bytes,
            "retire": not self.clean,
        }

    def _run_script(self) -> None:
        """Fork once for each input, so that nothing an input leaves behind meets the next one."""
        os.ftruncate(child.CODE_FD, 0)
        for number, stdin in enumerate(self._inputs):
            report = Reporter(self._bounds.output_bytes)
            process = self._fork(
                lambda first=number == 0, report=report: child.run_script(self._source, first, report),
                stdin,
                is_script=True,
            )
            status, error, printed = "", "", bytearray()
            try:
                while chunk := process.read():
                    printed += chunk
                    if len(printed) > self._bounds.output_bytes:
                        raise LimitReached("output_limit", f"printed over {self._bounds.output_bytes} bytes")
            except LimitReached as limit:
                status, error = limit.status, limit.error
            _, wall_s = process.mark()
            reported = ReportReader(self._bounds.output_bytes)
            reported.feed(process.report())
            ending = self._finish(process)
            if not status:
                status, error = _status_of_exit(ending, self._bounds.cpu_seconds)
                if status != "ok" and (last := reported.last()):
                    status, error = last
            self._add(status, ending.cpu_s, wall_s, error, bytes(printed))
            if status == "compile_error":
                self._fill(status)
            elif status == "timeout":
                self._fill("not_run")
            elif not self.clean:  # the next input would meet what this one has left
                self._fill("killed")
            if len(self.outputs) == len(self._inputs):
                return

    def _run_functional(self, entry_point: str) -> None:
        """Fork once for all inputs; each reported frame is one of them."""
        report = Reporter(self._bounds.output_bytes)
        process = self._fork(
            lambda: child.run_functional(self._source, entry_point, self._prelude, self._inputs, report),
            b"",
            is_script=False,
        )
        reported = ReportReader(self._bounds.output_bytes)
        failure = None
        try:
            while len(self.outputs) < len(self._inputs) and (chunk := process.read()):
                reported.feed(chunk)
                found = list(reported)[: len(self._inputs) - len(self.outputs)]
                if not found:
                    continue
                cpu_s, wall_s = process.mark()
                for status, payload in found:
                    error = "" if status == "ok" else payload.decode("utf-8", "replace")
                    self._add(status, cpu_s / len(found), wall_s / len(found), error, payload)
        except LimitReached as limit:
            failure = limit
        cpu_s, wall_s = process.mark()
        ending = self._finish(process)
        if self.outputs and self.outputs[-1]["status"] == "compile_error":
            self._fill("compile_error")
        elif len(self.outputs) < len(self._inputs):
            status, error = _status_of_exit(ending, self._bounds.cpu_seconds * len(self._inputs))
            if failure:
                status, error = failure.status, failure.error
            elif status != "timeout":
                status, error = "killed", f"{ending.describe()} without an answer"
            self._add(status, cpu_s, wall_s, error)

    def _fork(self, run: Callable[[], int], stdin: bytes, is_script: bool) -> Supervised:
        return Supervised(run, stdin, is_script, self._bounds, self._limits, self._deadline, self._connection)

    def _finish(self, process: Supervised) -> Ending:
        ending = process.finish()
        self.clean = reaper.clear(os.getcwd())
        self._cpu_s += ending.cpu_s
        self._peak_bytes = max(self._peak_bytes, ending.peak_bytes)
        return ending

    def _add(self, status: str, cpu_s: float, wall_s: float, error: str, value: bytes = b"") -> None:
        self.outputs.append({"status": status, "cpu_s": cpu_s, "wall_s": wall_s})
        self.values.append(value if status == "ok" else b"")
        self._error = self._error or error

    def _fill(self, status: str) -> None:
        """Give all inputs that have none yet the same status."""
        while len(self.outputs) < len(self._inputs):
            self._add(status, 0.0, 0.0, "")


def _status_of_exit(ending: Ending, cpu_seconds: float) -> tuple[str, str]:
    """Return the status that an exit code stands for, and its description."""
    if ending.exit_code == 0:
        return "ok", ""
    if ending.exit_code > 0:
        return "runtime_error", ending.describe()
    return ("timeout" if ending.cpu_s >= cpu_seconds else "killed"), ending.describe()


def _take_connection() -> socket.socket:
    """Move the socket off descriptor 0, and put on 0 to 9 the kind of file that children will have there."""
    connection = socket.socket(fileno=fcntl.fcntl(0, fcntl.F_DUPFD_CLOEXEC, 10))
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(os.memfd_create("stdin"), 0)
    os.dup2(os.pipe()[1], 1)
    os.dup2(os.memfd_create("code"), child.CODE_FD)
    for fd in (reports.REPORT_FD, *range(child.CODE_FD + 1, 10)):
        os.dup2(null, fd)
    return connection
