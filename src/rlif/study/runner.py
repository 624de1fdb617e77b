"""`run_all`: every run of a study that is not complete, on any scheduler.

May be killed at any moment, with -9 too, and started again: what is complete is left alone, what was
interrupted goes on from its last checkpoint. Processes that a killed runner left behind are waited for.
"""

import contextlib
import fcntl
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Collection, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rlif.errors import UserError
from rlif.records import RunDir, RunState, StudyDir
from rlif.records.files import write_atomic
from rlif.study.attempts import Attempts
from rlif.study.environment import record_environment
from rlif.study.expand import PlannedRun, expand, study_info
from rlif.study.progress import RunProgress, is_complete, is_locked, progress_of
from rlif.study.scheduler import Ending, Job, Scheduler, Stopped, Task
from rlif.study.schema import Resources, StudyConfig

POLL_SECONDS = 0.5
DEFINITION = "definition.json"
"""The study file that a study directory was made from."""

Command = Callable[[RunDir, Resources], tuple[str, ...]]


def train_command(run: RunDir, resources: Resources) -> tuple[str, ...]:
    """Return the arguments of Python that train a run; with several GPUs, one process for each."""
    train = ("rlif", "train", str(run.config_path), "--out", str(run.path))
    if resources.num_gpus < 2:
        return ("-m", *train)
    several = ("--num_processes", str(resources.num_gpus), *resources.accelerate)
    return ("-m", "accelerate.commands.launch", *several, "-m", *train)


def run_all(
    study: StudyConfig,
    directory: Path,
    scheduler: Scheduler,
    show: Callable[[Sequence[RunProgress]], None],
    only: Collection[str] | None = None,
    command: Command = train_command,
) -> list[RunProgress]:
    """Run everything that is not complete yet; a run that fails does not stop the others.

    Args:
        study: what to run.
        directory: where; runs that are there already are continued.
        scheduler: on what.
        show: called about twice a second with where every run stands.
        only: ids of the runs to run; all without.
        command: what runs a run.

    Returns:
        Where every run stands at the end.

    Raises:
        Stopped: Ctrl-C.
        UserError: another runner works in the directory, or a run there has other settings.
    """
    place, runs = StudyDir(directory.resolve()), expand(study)
    place.path.mkdir(parents=True, exist_ok=True)
    with alone(place.path):
        for run in runs:
            place.run_dir(run.id).create(run.config.model_dump(mode="json"))
        info = study_info(study, runs)
        place.create(info)
        write_atomic(place.path / DEFINITION, study.model_dump_json(indent=2).encode() + b"\n")
        record_environment(place.path, {run.config.sandbox.isolation for run in runs})
        with scheduler:
            return _Runner(study, place, runs, scheduler, command).execute(show, only)


@dataclass(slots=True)
class _Entry:
    """One run, as the runner sees it.

    Attributes:
        job: its process, if there is one. before: what its status said when that was started.
        started: when. attempts: processes started so far.
        final: where it stands, once it is over: not read again at every poll.
    """

    run: PlannedRun
    directory: RunDir
    job: Job | None = None
    before: RunState | None = None
    started: float = 0.0
    attempts: int = 0
    final: RunProgress | None = None


class _Runner:
    """One call of `run_all`."""

    def __init__(
        self,
        study: StudyConfig,
        place: StudyDir,
        runs: Sequence[PlannedRun],
        scheduler: Scheduler,
        command: Command,
    ) -> None:
        self.study, self.scheduler, self.command = study, scheduler, command
        self.attempts = Attempts(place.path)
        self.entries = [_Entry(run, place.run_dir(run.id)) for run in runs]

    def execute(
        self, show: Callable[[Sequence[RunProgress]], None], only: Collection[str] | None
    ) -> list[RunProgress]:
        wanted = [
            entry
            for entry in self.entries
            if (only is None or entry.run.id in only) and not is_complete(entry.directory)
        ]
        # Seeds are the outer loop: what is there after a while has every arm about as often.
        waiting = deque(sorted(wanted, key=lambda entry: entry.run.config.seed))
        for entry in self.entries:
            entry.final = _progress(entry, "complete" if is_complete(entry.directory) else "waiting")
        with _sigterm_as_ctrl_c():
            try:
                self._work(waiting, show)
            except KeyboardInterrupt:
                self._stop()
                raise Stopped from None
            except BaseException:
                for _, job in self._running():
                    job.kill()
                raise
        return self._all()

    def _work(self, waiting: deque[_Entry], show: Callable[[Sequence[RunProgress]], None]) -> None:
        while waiting or self._running():
            for entry, job in self._running():
                if (ending := job.poll()) and self._over(entry, ending):
                    waiting.append(entry)
            while waiting and len(self._running()) < self.scheduler.capacity(self._task(waiting[0])):
                self._start(waiting.popleft())
            show(self._all())
            time.sleep(POLL_SECONDS)

    def _running(self) -> list[tuple[_Entry, Job]]:
        return [(entry, entry.job) for entry in self.entries if entry.job is not None]

    def _all(self) -> list[RunProgress]:
        return [entry.final or _progress(entry, _state(entry)) for entry in self.entries]

    def _task(self, entry: _Entry) -> Task:
        resources = self.study.resources
        return Task(
            arguments=self.command(entry.directory, resources),
            directory=entry.directory.path,
            cwd=Path.cwd(),
            threads=entry.run.config.torch_threads,
            num_cpus=resources.num_cpus,
            num_gpus=resources.num_gpus,
        )

    def _start(self, entry: _Entry) -> None:
        entry.final, entry.before, entry.started = None, entry.directory.read_status(), time.time()
        if is_locked(entry.directory):
            entry.before = None  # its status is that of a process that still runs
            entry.job = _Left(entry.directory)
        else:
            entry.attempts += 1
            entry.job = self.scheduler.start(self._task(entry))

    def _over(self, entry: _Entry, ending: Ending) -> bool:
        """Take note of how a process ended; return whether the run is to be tried again."""
        left, entry.job = isinstance(entry.job, _Left), None
        if is_complete(entry.directory):
            entry.final = _progress(entry, "complete")
            self.attempts.add(entry.run.id, entry.started, "")
            return False
        status = entry.directory.read_status()
        fresh = status if status and status != entry.before and status.state != "running" else None
        # Killed, out of memory, or refused before it began: then it could not say so itself.
        error = fresh.error or f"it was {fresh.state}" if fresh else ending.how
        entry.final = _progress(
            entry, fresh.state if fresh else "failed", fresh.error if fresh else ending.how
        )
        if is_locked(entry.directory):  # by a process that an earlier runner left behind
            return True
        self.attempts.add(entry.run.id, entry.started, error)
        return left or (entry.attempts <= self.study.retries and not ending.hopeless)

    def _stop(self) -> None:
        """Ask runs to end after the step in flight, with a checkpoint; a second Ctrl-C ends them at once."""
        running = self._running()
        try:
            for _, job in running:
                job.stop()
            while any(job.poll() is None for _, job in running):
                time.sleep(POLL_SECONDS)
        except KeyboardInterrupt:
            for _, job in running:
                job.kill()


class _Left:
    """A `Job` for a process that a runner killed with -9 left behind, which holds the run's lock."""

    def __init__(self, run: RunDir) -> None:
        self.run = run

    def poll(self) -> Ending | None:
        return None if is_locked(self.run) else Ending("it was left behind by a runner and ended")

    def stop(self) -> None:
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        status = self.run.read_status()
        if status is not None and is_locked(self.run):
            with contextlib.suppress(ProcessLookupError):
                os.kill(status.pid, number)


def _state(entry: _Entry) -> str:
    """Return the state of a run whose process runs: its own word, once the process has said anything."""
    status = entry.directory.read_status()
    return status.state if status and status != entry.before else "starting"


def _progress(entry: _Entry, state: str, error: str = "") -> RunProgress:
    return progress_of(entry.run.info(), entry.directory, entry.run.config.total_steps, state, error)


@contextmanager
def alone(directory: Path) -> Generator[None]:
    """Hold the study's lock, which ends with the process: two runners would start the same runs.

    Raises:
        UserError: another runner holds it.
    """
    with (directory / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            fix = f"See how far it is with: rlif study status {directory}"
            raise UserError(f"Another process runs the study in {directory}.", fix) from None
        yield


@contextmanager
def _sigterm_as_ctrl_c() -> Generator[None]:
    """Stop on SIGTERM as on Ctrl-C: the runs would go on without their runner otherwise."""
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
