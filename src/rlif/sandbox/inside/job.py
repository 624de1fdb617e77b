"""`Job`: one program and what becomes of its inputs."""

import math
import mmap
import os
import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from itertools import islice

from rlif.sandbox.inside import child, frames, lockdown, official, reaper, reports
from rlif.sandbox.inside.answers import Answers
from rlif.sandbox.inside.limits import Bounds, LimitReached, Stopped
from rlif.sandbox.inside.pages import OutputBuffer
from rlif.sandbox.inside.supervisor import CHUNK, Ending, Supervised

_MAX_FILE = 64 << 20


class Job:
    """Runs one program as its request asks, and answers for each input as soon as it is through."""

    def __init__(self, request: frames.Message[mmap.mmap], connection: socket.socket) -> None:
        header = request.header
        self._source, *self._inputs = request.blobs
        self._entry_point: str | None = header["entry_point"]
        self._prelude: bool = header["prelude"]
        self._is_official: bool = header["mode"] == "official"
        self._is_script = self._entry_point is None and not self._is_official
        self._bounds = bounds = Bounds(**header["bounds"])
        self._connection = connection
        self._answers = Answers(connection, len(self._inputs))
        self._report = reports.Reporter(bounds.output_bytes)
        self._largest_output = bounds.output_bytes + reports.HEAD_BYTES + CHUNK
        self._written = OutputBuffer(2 * self._largest_output)
        inputs_a_child = 1 if self._is_script else len(self._inputs)
        self._limits = lockdown.child_limits(
            bounds.memory_bytes,
            cpu_seconds=math.ceil(bounds.cpu_seconds * inputs_a_child) + 1,
            file_bytes=max(_MAX_FILE, bounds.output_bytes),
            processes=bounds.processes,
        )
        self._seconds_left = bounds.total_seconds
        self._cpu_s = 0.0
        self._peak_bytes = 0
        self._is_clean = True

    def run(self) -> bool:
        """Run the program on all inputs; return whether nothing that it wrote is left."""
        os.ftruncate(child.CODE_FD, 0)
        try:
            if self._is_script:
                self._run_script()
            else:
                self._run_in_one_process()
        except Stopped:
            pass
        self._answers.fill("not_run")
        self._answers.send(cpu_s=self._cpu_s, peak_bytes=self._peak_bytes, retire=not self._is_clean)
        self._written.wipe()
        return self._is_clean

    def _run_script(self) -> None:
        """Fork once for each input, so that nothing an input leaves behind meets the next one."""
        keep_code = len(self._inputs) > 1
        for number, stdin in enumerate(self._inputs):
            self._written.take(len(self._written.unread))  # what the one before wrote and nobody wanted
            self._make_room()
            run = partial(child.run_script, self._source, number == 0, keep_code, self._report)
            with self._child(run, stdin) as process:
                failure = self._read_stdout(process)
                _, wall_s = process.mark()
                printed = self._written.take(len(self._written.unread))
                process.read_report(self._written)
            status, content = failure or _how_it_ended(process.ending, self._bounds.cpu_seconds)
            if status == "ok":
                content = printed
            elif status != "timeout" and not failure:
                status, content = reports.last_error(self._written) or (status, content)
            self._answers.add(status, process.ending.cpu_s, wall_s, content)
            if status == "compile_error":
                self._answers.fill(status)
            elif status == "timeout":
                return
            elif not self._is_clean:  # the next input would meet what this one has left
                self._answers.fill("killed")
            if not self._answers.missing:
                return
            self._answers.send_if_due()

    def _read_stdout(self, process: Supervised) -> tuple[str, bytes] | None:
        """Read until the end; return status and description if it is over a limit."""
        try:
            while process.read(self._written):
                if len(self._written.unread) > self._bounds.output_bytes:
                    return "output_limit", f"printed over {self._bounds.output_bytes} bytes".encode()
        except LimitReached as limit:
            return limit.status, limit.error.encode()
        return None

    def _run_in_one_process(self) -> None:
        """Fork once for all inputs; each reported frame is one of them."""
        with self._child(self._serve_all(), b"") as process:
            failure = self._read_frames(process)
            cpu_s, wall_s = process.mark()
        if self._answers.last_status == "compile_error":
            self._answers.fill("compile_error")
        elif self._answers.missing and not (self._is_official and self._answers.has_failed):
            status, content = _how_it_ended(process.ending, self._bounds.cpu_seconds * len(self._inputs))
            if failure:
                status, content = failure
            elif status != "timeout":
                status, content = "killed", f"{process.ending.describe()} without an answer".encode()
            self._answers.add(status, cpu_s, wall_s, content)

    def _read_frames(self, process: Supervised) -> tuple[str, bytes] | None:
        """Read until all inputs are answered; return status and description if a limit is reached before."""
        try:
            while self._answers.missing and process.read(self._written):
                frames = reports.complete_frames(self._written, self._bounds.output_bytes)
                found = list(islice(frames, self._answers.missing))
                if found:
                    cpu_s, wall_s = (spent / len(found) for spent in process.mark())
                    if cpu_s > self._bounds.cpu_seconds:
                        return "timeout", f"over {self._bounds.cpu_seconds:g} s of CPU time".encode()
                    for status, content in found:
                        self._answers.add(status, cpu_s, wall_s, content)
                    self._answers.send_if_due()
                self._make_room()
        except LimitReached as limit:
            return limit.status, limit.error.encode()
        return None

    def _serve_all(self) -> Callable[[], int]:
        """Return what a child does that serves all inputs."""
        if self._is_official:
            return lambda: official.run(
                bytes(self._source), self._entry_point, [bytes(data) for data in self._inputs], self._report
            )
        name = self._entry_point or ""
        return partial(child.run_functional, self._source, name, self._prelude, self._inputs, self._report)

    def _make_room(self) -> None:
        """See to it that the largest output finds room, sending first what is in its way."""
        if len(self._written.room) < self._largest_output:
            self._answers.send()
            self._written.make_room()

    @contextmanager
    def _child(self, run: Callable[[], int], stdin: memoryview | bytes) -> Generator[Supervised]:
        """Fork a child; at the end clear up after it and add up what it used."""
        process = Supervised(
            run,
            stdin,
            self._is_script,
            self._bounds,
            self._limits,
            self._seconds_left,
            self._connection,
            self._answers.send_if_due,
        )
        try:
            yield process
        finally:
            process.finish()
            self._is_clean = reaper.clear(".")
            self._seconds_left -= process.used_s
            self._cpu_s += process.ending.cpu_s
            self._peak_bytes = max(self._peak_bytes, process.ending.peak_bytes)


def _how_it_ended(ending: Ending, cpu_seconds: float) -> tuple[str, memoryview | bytes]:
    """Return the status that an exit code stands for, and its description."""
    if ending.cpu_s > cpu_seconds:
        return "timeout", f"over {cpu_seconds:g} s of CPU time".encode()
    if ending.exit_code == 0:
        return "ok", b""
    return ("runtime_error" if ending.exit_code > 0 else "killed"), ending.describe().encode()
