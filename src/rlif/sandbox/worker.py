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
from rlif.sandbox.types import Execution, Limits, Output, Program, RunStatus

_START_S = 30.0
_CLOSE_S = 2.0
_GRACE_S = 10.0
"""What a zygote is given beyond a program's time before it is taken for stuck and killed."""


class WorkerDiedError(Exception):
    """The zygote ended or stopped answering; the worker must be closed and replaced."""


class Worker:
    """A started zygote. Used by one thread at a time, which must outlive it (bwrap dies with that thread).

    Raises `UserError` when the isolation does not work here.

    Attributes:
        facts: protections found in force inside, by name.
        retired: it asked to be replaced (a program left something that could not be removed).
    """

    def __init__(self, isolation: Isolation) -> None:
        self._isolation = isolation
        self._private = tempfile.TemporaryDirectory(prefix="rlif-", ignore_cleanup_errors=True)
        self._connection, theirs = socket.socketpair()
        self._stderr = Path(self._private.name, "stderr")
        self.retired = False
        with theirs, self._stderr.open("wb") as stderr:
            self._process = subprocess.Popen(
                start_command(isolation, Path(self._private.name)),
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=stderr,
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
        total = limits.total_seconds
        if total is None:
            total = (limits.seconds + 1) * len(program.inputs) + 5
        request = {
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
        code = program.code.encode("utf-8", "surrogatepass")
        inputs = [_encoded(given, program.entry_point) for given in program.inputs]
        try:
            self._connection.settimeout(total + _GRACE_S)
            frames.send(self._connection, request, [code, *inputs])
            reply = frames.receive(self._connection, (limits.output_bytes + 1) * len(inputs))
        except (OSError, ValueError) as error:
            raise WorkerDiedError(str(error)) from None
        if reply is None or len(reply.blobs) != len(inputs):
            raise WorkerDiedError(f"the sandbox's worker died {self._last_words()}".rstrip())
        self.retired = reply.header["retire"]
        return _execution(reply, program, self._isolation)

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
            hello = frames.receive(self._connection, 0)
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
            lines = self._stderr.read_text("utf-8", "replace").strip().splitlines()
        except FileNotFoundError:  # another thread has closed this worker
            return ""
        return lines[-1] if lines else ""


def _encoded(given: Any, entry_point: str | None) -> bytes:
    if entry_point is None:
        return given.encode("utf-8", "surrogateescape")
    try:
        return codec.dumps(list(given))
    except TypeError as error:
        raise UserError(f"An argument for {entry_point!r} cannot be sent to the sandbox: {error}.") from None


def _execution(reply: frames.Message, program: Program, isolation: Isolation) -> Execution:
    header = reply.header
    error = header["error"]
    outputs: list[Output] = []
    for told, data in zip(header["outputs"], reply.blobs, strict=True):
        status, value = RunStatus(told["status"]), None
        if status is RunStatus.OK:
            try:
                value = data.decode("utf-8", "replace") if program.entry_point is None else codec.loads(data)
            except ValueError as invalid:  # written by the program, not by our encoder
                status, error = RunStatus.RUNTIME_ERROR, error or f"invalid result: {invalid}"
        outputs.append(Output(status, value, told["cpu_s"], told["wall_s"]))
    return Execution(
        status=next((o.status for o in outputs if o.status is not RunStatus.OK), RunStatus.OK),
        outputs=tuple(outputs),
        cpu_s=header["cpu_s"],
        wall_s=sum(o.wall_s for o in outputs),
        peak_mb=header["peak_bytes"] / 2**20,
        error=error,
        isolation=isolation,
    )
