"""`Worker`: one zygote process and the socket by which programs are sent to it."""

import contextlib
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from rlif.errors import UserError
from rlif.sandbox.inside import codec, frames
from rlif.sandbox.isolation import ENVIRONMENT, Isolation, cannot_isolate, start_command
from rlif.sandbox.types import Execution, Limits, Mode, Output, Program, RunStatus

_START_S = 30.0
_CLOSE_S = 2.0
_ERROR_BYTES = 500
_SILENCE_S = 60.0
"""A zygote that is told to run something speaks at least once a second; after this it is taken for stuck."""


class WorkerDiedError(Exception):
    """The zygote ended or stopped answering; the worker must be closed and replaced."""


class Worker:
    """A started zygote. Used by one thread at a time, which must outlive it (bwrap dies with that thread).

    It serves programs of one mode, that of the first: official mode changes the process that it runs in.

    Raises `UserError` when the isolation does not work here.

    Attributes:
        facts: protections found in force inside, by name.
        retired: it asked to be replaced (a program left something that could not be removed).
    """

    def __init__(self, isolation: Isolation) -> None:
        self._isolation = isolation
        self._connection, theirs = socket.socketpair()
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        # bwrap needs no directory; that of "process" is removed with the worker.
        self._private = None
        if isolation is Isolation.PROCESS:
            self._private = tempfile.TemporaryDirectory(prefix="rlif-", ignore_cleanup_errors=True)
        self.retired = False
        with theirs:
            self._process = subprocess.Popen(
                start_command(isolation, Path(self._private.name) if self._private else None),
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=self._stderr,
                env=ENVIRONMENT,
                cwd="/",
                start_new_session=True,  # Ctrl-C is for rlif to handle
            )
        try:
            self.facts = self._handshake()
        except BaseException:
            self.close()
            raise

    def execute(self, program: Program, limits: Limits) -> Execution:
        """Run a program on all its inputs; raises `WorkerDiedError`."""
        code = program.code.encode("utf-8", "surrogatepass")
        inputs = [_encoded(given, program.entry_point) for given in program.inputs]
        # Each input's output may wait for the next one's, and an error is described in a few words.
        most_bytes = (limits.output_bytes + _ERROR_BYTES) * len(inputs)
        run = _Run(program, self._isolation)
        self.retired = True  # until all is answered: who takes over half-way would be given these answers
        try:
            self._connection.settimeout(_SILENCE_S)
            frames.send(self._connection, _request(program, limits), [code, *inputs])
            is_stopped = False
            while not run.is_over:
                reply = frames.receive(self._connection, most_bytes, bytearray)
                if reply is None:
                    raise EOFError(self._last_words() or "it hung up")
                run.take(reply)
                if run.is_enough and not is_stopped and not run.is_over:
                    frames.send(self._connection, {"stop": True})
                    is_stopped = True
        except (OSError, EOFError, ValueError, KeyError) as error:
            raise WorkerDiedError(f"the sandbox's worker died: {error}") from None
        self.retired = run.retires_worker
        return run.execution()

    def close(self) -> None:
        """End the zygote and everything in it; returns when all of it is gone.

        May be called from another thread; a running `execute` then raises `WorkerDiedError`.
        """
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_WR)
        if not self._has_hung_up(_CLOSE_S):
            self._process.kill()
            self._has_hung_up(_CLOSE_S)
        self._process.wait()
        self._connection.close()
        self._stderr.close()
        if self._private:
            self._private.cleanup()

    def _has_hung_up(self, seconds: float) -> bool:
        """Wait until no process holds the other end of the connection; False if one still does."""
        try:
            self._connection.settimeout(seconds)
            while self._connection.recv(1 << 16):
                pass
        except TimeoutError:
            return False
        except OSError:
            pass
        return True

    def _handshake(self) -> dict[str, bool]:
        self._connection.settimeout(_START_S)
        try:
            hello = frames.receive(self._connection, 0, bytearray)
        except (OSError, ValueError) as error:
            raise self._cannot_start(str(error)) from None
        if hello is None:
            self._process.wait()
            raise self._cannot_start(f"exit code {self._process.returncode}")
        facts: dict[str, bool] = hello.header["facts"]
        missing = [name for name, holds in facts.items() if not holds and name != "seccomp"]
        if self._isolation is Isolation.BWRAP and missing:
            raise cannot_isolate(f"bwrap started, but these protections are missing: {', '.join(missing)}.")
        return facts

    def _cannot_start(self, reason: str) -> UserError:
        return cannot_isolate(self._last_words() or reason)

    def _last_words(self) -> str:
        try:
            self._stderr.seek(0)
            lines = self._stderr.read().decode("utf-8", "replace").strip().splitlines()
        except ValueError:  # another thread has closed this worker
            return ""
        return lines[-1] if lines else ""


class _Run:
    """What is known so far of one program's inputs."""

    def __init__(self, program: Program, isolation: Isolation) -> None:
        self._program, self._isolation = program, isolation
        self._outputs: list[Output] = []
        self._error = ""
        self._end: dict[str, Any] = {}
        self.is_enough = False

    @property
    def is_over(self) -> bool:
        return bool(self._end)

    @property
    def retires_worker(self) -> bool:
        return self._end["retire"]

    def take(self, reply: frames.Message[bytearray]) -> None:
        """Take in the answers of one message; those after `Program.accept` said no do not count."""
        header = reply.header
        for told, data in zip(header["outputs"], reply.blobs, strict=True):
            if self.is_enough or len(self._outputs) == len(self._program.inputs):
                break
            output = self._output(told, data)
            self._outputs.append(output)
            if self._program.accept and not self._program.accept(len(self._outputs) - 1, output):
                self.is_enough = True
        if "retire" in header:
            self._end = header

    def execution(self) -> Execution:
        """Return the whole; inputs without an answer were not run."""
        outputs = self._outputs
        outputs += [Output(RunStatus.NOT_RUN)] * (len(self._program.inputs) - len(outputs))
        return Execution(
            status=next((o.status for o in outputs if o.status is not RunStatus.OK), RunStatus.OK),
            outputs=tuple(outputs),
            cpu_s=self._end["cpu_s"],
            wall_s=sum(o.wall_s for o in outputs),
            peak_mb=self._end["peak_bytes"] / 2**20,
            error=self._error,
            isolation=self._isolation,
        )

    def _output(self, told: dict[str, Any], content: memoryview) -> Output:
        status, value, error = RunStatus(told["status"]), None, ""
        if status is RunStatus.OK:
            is_text = self._program.entry_point is None and self._program.mode is Mode.NATIVE
            try:
                value = str(content, "utf-8", "replace") if is_text else codec.loads(bytes(content))
            except ValueError as invalid:  # written by the program, not by our encoder
                status, error = RunStatus.RUNTIME_ERROR, f"invalid result: {invalid}"
        else:
            error = str(content[:_ERROR_BYTES], "utf-8", "replace")
        self._error = self._error or error
        return Output(status, value, told["cpu_s"], told["wall_s"])


def _request(program: Program, limits: Limits) -> dict[str, Any]:
    total = limits.total_seconds
    if total is None:
        total = (limits.seconds + 1) * len(program.inputs) + 5
    return {
        "mode": program.mode,
        "entry_point": program.entry_point,
        "prelude": program.prelude,
        "bounds": {
            "seconds": limits.seconds,
            "cpu_seconds": limits.cpu_seconds,
            "total_seconds": total,
            "memory_bytes": limits.memory_mb << 20,
            "output_bytes": limits.output_bytes,
            "processes": limits.processes,
        },
    }


def _encoded(given: Any, entry_point: str | None) -> bytes:
    if entry_point is None:
        return given.encode("utf-8", "surrogateescape")
    try:
        return codec.dumps(list(given))
    except TypeError as error:
        raise UserError(f"An argument for {entry_point!r} cannot be sent to the sandbox: {error}.") from None
