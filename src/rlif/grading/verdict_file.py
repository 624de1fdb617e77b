"""`VerdictFile`: verdict lines as they come, in a file that can be continued after any interruption.

A line is one verdict, complete in itself:

    question_id, index    which sample
    passed, tests         whether it is right, and one bool a test that was judged
    status                why not; see `VerdictStatus`
    code_sha              first 16 hex digits of the SHA-256 of the code: a verdict is of this program only
    cpu_s, wall_s         seconds that it ran, over all tests
    mode, isolation, timeout, memory, all_tests
                          how it was graded; see `Settings`
"""

import contextlib
import errno
import fcntl
import hashlib
import json
import math
import os
import stat
from collections import defaultdict
from dataclasses import asdict, dataclass
from io import FileIO
from pathlib import Path
from typing import Any, Self

from rlif.errors import UserError
from rlif.grading.samples import Sample
from rlif.grading.summary import Tally
from rlif.grading.types import Verdict, VerdictStatus
from rlif.sandbox import Execution, Mode

_OWN_FILE = "Give --out a file of its own."
_BEGINNING = b'{"question_id": '


@dataclass(frozen=True, slots=True)
class Settings:
    """What verdicts follow from, beside program and problem; named as the options of `rlif grade`.

    timeout is in seconds, memory in MB.
    """

    mode: Mode
    isolation: str
    timeout: float
    memory: int
    all_tests: bool


class VerdictFile:
    """A file of verdicts, open for more; a context manager.

    No other process can open it meanwhile. When a process is killed, only what it was running is lost.

    Args:
        path: the file; made, with its directories, when it is not there.
        settings: how programs are graded now.

    Attributes:
        tally: counts of all verdicts in the file.

    Raises:
        UserError: the file cannot be written, is in use, holds something else, or was made with other
            settings.
    """

    def __init__(self, path: Path, settings: Settings) -> None:
        self.tally = Tally()
        self._path = path
        self._settings = asdict(settings)
        self._sha_of: defaultdict[str, dict[int, str]] = defaultdict(dict)
        self._file = _open_locked(path)
        self._end = 0
        try:
            self._read()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def had(self, sample: Sample) -> bool:
        """Tell whether the file had the verdict of a sample when it was opened.

        Raises:
            UserError: it has one for another program in this place.
        """
        sha = self._sha_of[sample.question_id].get(sample.index)
        if sha and sha != code_sha(sample.code):
            raise UserError(
                f"{self._path} holds a verdict on another program as sample {sample.index} of "
                f"'{sample.question_id}': the samples are not those it was made from.",
                "Give another --out for these samples.",
            )
        return sha is not None

    def append(self, sample: Sample, verdict: Verdict, execution: Execution) -> None:
        """Write one verdict; once written, it outlives the process.

        Raises:
            UserError: the disk is full or refuses; what was written of the line is taken back.
        """
        row = {
            "question_id": sample.question_id,
            "index": sample.index,
            "passed": verdict.passed,
            "tests": verdict.tests,
            "status": verdict.status,
            "code_sha": code_sha(sample.code),
            "cpu_s": round(execution.cpu_s, 4),
            "wall_s": round(execution.wall_s, 4),
        }
        self._write(json.dumps(row | self._settings).encode() + b"\n")
        self.tally.add(sample.question_id, verdict.status, execution.cpu_s)

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            with contextlib.suppress(OSError):  # the next to open the file takes it back
                self._file.truncate(self._end)
            raise _cannot_write(self._path, error) from error
        self._end += len(data)

    def _read(self) -> None:
        """Take in the verdicts that are there; take back a last line that was cut off."""
        with open(self._file.fileno(), "rb", closefd=False) as lines:
            for number, line in enumerate(lines, start=1):
                try:
                    if line.strip():
                        self._take(json.loads(line), number)
                except (ValueError, RecursionError):
                    if line.endswith(b"\n") or not _is_beginning(line):
                        raise self._no_verdict(number, "it is not JSON") from None
                    self._file.truncate(self._end)
                    return
                self._end += len(line)
                if not line.endswith(b"\n"):
                    self._write(b"\n")

    def _take(self, row: Any, number: int) -> None:
        if not isinstance(row, dict):
            raise self._no_verdict(number, "it is not an object")
        try:
            question_id, index = str(row["question_id"]), int(row["index"])
            status = VerdictStatus(row["status"])
            cpu_s = float(row.get("cpu_s", math.nan))
        except KeyError as error:
            raise self._no_verdict(number, f"it has no {error}") from None
        except (TypeError, ValueError) as error:
            raise self._no_verdict(number, str(error)) from None
        for name, now in self._settings.items():
            if row.get(name, now) != now:
                raise UserError(
                    f"{self._path} was made with {_option(name, row[name])}, not with {_option(name, now)}.",
                    f"Go on with {_option(name, row[name])}, or give another --out.",
                )
        if index not in self._sha_of[question_id]:
            self._sha_of[question_id][index] = str(row.get("code_sha", ""))
            self.tally.add(question_id, status, cpu_s)

    def _no_verdict(self, number: int, why: str) -> UserError:
        return UserError(f"{self._path}, line {number} is no verdict: {why}.", _OWN_FILE)


def code_sha(code: str) -> str:
    """Return the first 16 hex digits of the SHA-256 of a program in UTF-8."""
    return hashlib.sha256(code.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _open_locked(path: Path) -> FileIO:
    """Open a regular file for appending, unbuffered, and lock it until it is closed or the process ends."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = FileIO(path, "a+")
    except OSError as error:
        raise _cannot_write(path, error) from error
    try:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise UserError(
                f"{path} is not a regular file: verdicts there could not be continued.", _OWN_FILE
            )
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"{path} is being written by another process.", _OWN_FILE) from None
        except OSError:  # a file system that knows no locks
            pass
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file


def _cannot_write(path: Path, error: OSError) -> UserError:
    fix = _OWN_FILE
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        fix = "Make room there, then give the same command again: it goes on from here."
    return UserError(f"Verdicts cannot be written to {path}: {error.strerror or error}.", fix)


def _is_beginning(line: bytes) -> bool:
    """Tell whether a line may be what a killed process left of a verdict: only such a line is taken back."""
    return line.startswith(_BEGINNING) or _BEGINNING.startswith(line)


def _option(name: str, value: object) -> str:
    """Return how a setting is given to `rlif grade`."""
    if name == "all_tests":
        return "--all-tests" if value else "--first-failure"
    return f"--{name} {value}"
