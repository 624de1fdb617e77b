"""Runs as processes on this machine, a few at a time."""

import os
import signal
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

from rlif.study.progress import RunProgress
from rlif.study.runner import run_all
from rlif.study.scheduler import Ending, Stopped, Task, ending_of, start_process
from rlif.study.schema import Resources, StudyConfig

__all__ = ["LocalScheduler", "RunProgress", "Stopped", "run_study"]


class LocalScheduler:
    """A `Scheduler` of processes.

    Args:
        processes: runs at a time.
    """

    def __init__(self, processes: int) -> None:
        self.processes = processes

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def capacity(self, task: Task) -> int:
        """Return the number of processes."""
        return self.processes

    def start(self, task: Task) -> "LocalJob":
        """Start a process."""
        return LocalJob(task)


class LocalJob:
    """One process; `process` is it."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.process: subprocess.Popen[bytes] = start_process(task)

    def poll(self) -> Ending | None:
        """Return how it ended, or None while it has not."""
        code = self.process.poll()
        return None if code is None else ending_of(code, self.task)

    def stop(self) -> None:
        """Send SIGTERM."""
        self.process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL to all of its session: `accelerate launch` has processes of its own."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)


def processes_for(resources: Resources) -> int:
    """Return how many runs share this machine: its cores divided by what one run takes.

    Runs with GPUs go one at a time: which of them has which GPU is for Ray to say (`--ray local`).
    """
    return 1 if resources.num_gpus else max(1, (os.cpu_count() or 1) // resources.num_cpus)


def run_study(
    study: StudyConfig, directory: Path, processes: int, show: Callable[[Sequence[RunProgress]], None]
) -> list[RunProgress]:
    """Run everything that is not complete yet as processes here; see `rlif.study.runner.run_all`."""
    return run_all(study, directory, LocalScheduler(processes), show)
