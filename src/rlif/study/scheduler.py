"""`Scheduler`: where a study's runs are run; on this machine (`local`) or on a Ray cluster (`cluster`).

A run is a process that writes its records into its directory. What a scheduler adds is a place for it and
word of how it ended; everything else is read from the records, so that results are the same from both.
"""

import os
import signal
import subprocess
import sys
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

MISTAKE = 2
"""Exit code of a command that the user has to mend; the same command would end so again."""


class Stopped(Exception):
    """The study was asked to stop; its runs are saved and can be continued."""


@dataclass(frozen=True, slots=True)
class Task:
    """One process to start.

    Attributes:
        arguments: of the Python interpreter.
        directory: the run's, absolute; what the process prints goes to log.txt in it.
        cwd: where relative paths of the run's settings start.
        threads: of numerical libraries.
        num_cpus, num_gpus: what it takes.
    """

    arguments: tuple[str, ...]
    directory: Path
    cwd: Path
    threads: int = 1
    num_cpus: int = 1
    num_gpus: int = 0


@dataclass(frozen=True, slots=True)
class Ending:
    """How a process ended, in words; `hopeless`: trying again would end the same."""

    how: str
    hopeless: bool = False


class Job(Protocol):
    """One started task."""

    def poll(self) -> Ending | None:
        """Return how it ended, or None while it has not."""
        ...

    def stop(self) -> None:
        """Ask the run to end after the step in flight, with a checkpoint."""
        ...

    def kill(self) -> None:
        """End it at once."""
        ...


class Scheduler(AbstractContextManager["Scheduler"], Protocol):
    """Where runs are run, for as long as the context lasts."""

    def __enter__(self) -> Self:
        """Connect."""
        ...

    def capacity(self, task: Task) -> int:
        """Return how many tasks like this one have room at once; it may change, and may be 0 for a while."""
        ...

    def start(self, task: Task) -> Job:
        """Start one more."""
        ...


def start_process(task: Task) -> subprocess.Popen[bytes]:
    """Start a task's process on this machine."""
    threads = {"OMP_NUM_THREADS": str(task.threads), "PYTHONUNBUFFERED": "1"}
    # A session of its own: Ctrl-C at the terminal reaches the study, which stops its runs in order.
    with (task.directory / "log.txt").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, *task.arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=task.cwd if task.cwd.is_dir() else None,
            env={**os.environ, **threads},
            start_new_session=True,
        )


def ending_of(code: int, task: Task) -> Ending:
    """Return how a process with this exit code ended."""
    how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    return Ending(f"it ended with {how}; see {task.directory / 'log.txt'}", hopeless=code == MISTAKE)
