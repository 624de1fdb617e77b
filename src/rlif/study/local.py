"""Run a study's runs as processes on this machine, a few at a time."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rlif.records import RunDir, StudyDir
from rlif.study.config import StudyConfig, StudyRun

POLL_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class RunProgress:
    """Where one run of a study stands; `state` is a run's own word, or "waiting" or "starting"."""

    id: str
    label: str
    state: str
    step: int
    total_steps: int
    stage: str
    pass_at_1: float | None
    error: str


class Stopped(Exception):
    """The study was asked to stop; its runs are saved and can be continued."""


def run_study(
    study: StudyConfig, directory: Path, processes: int, show: Callable[[Sequence[RunProgress]], None]
) -> list[RunProgress]:
    """Run everything that is not complete yet; a run that fails does not stop the others.

    Args:
        study: what to run.
        directory: where; runs that are there already are continued.
        processes: runs at a time. Each has as many torch threads as its configuration says.
        show: called about twice a second with where every run stands.

    Returns:
        Where every run stands at the end.

    Raises:
        Stopped: Ctrl-C.
    """
    place = StudyDir(directory)
    place.create(study.info())
    configs = {run.id: study.run_config(run) for run in study.runs}
    for run_id, config in configs.items():
        place.run_dir(run_id).create(config.model_dump(mode="json"))

    settled: dict[str, RunProgress] = {}  # runs that are over: not read again at every poll

    def progress_of(run: StudyRun) -> RunProgress:
        if run.id in settled:
            return settled[run.id]
        process = started.get(run.id)
        now = _progress(run, place.run_dir(run.id), configs[run.id].total_steps, process)
        if now.state == "complete" or (process is not None and process.returncode is not None):
            settled[run.id] = now
        return now

    def progress() -> list[RunProgress]:
        return [progress_of(run) for run in study.runs]

    # Asked to end by a scheduler, it stops its runs as on Ctrl-C; they would go on without it otherwise.
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    started: dict[str, subprocess.Popen[bytes]] = {}
    waiting = [run.id for run in study.runs if not _complete(place.run_dir(run.id))]
    try:
        while waiting or _alive(started.values()):
            while waiting and _alive(started.values()) < processes:
                run_id = waiting.pop(0)
                started[run_id] = _start(place.run_dir(run_id))
            show(progress())
            time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        _stop(started.values())
        raise Stopped from None
    except BaseException:
        for process in started.values():
            process.kill()
        raise
    finally:
        signal.signal(signal.SIGTERM, previous)
    return progress()


def _alive(processes: Iterable[subprocess.Popen[bytes]]) -> int:
    return sum(process.poll() is None for process in processes)


def _stop(processes: Iterable[subprocess.Popen[bytes]]) -> None:
    """Ask runs to end after the step in flight, with a checkpoint; a second Ctrl-C ends them at once."""
    try:
        for process in processes:
            process.send_signal(signal.SIGTERM)
        for process in processes:
            process.wait()
    except KeyboardInterrupt:
        for process in processes:
            process.kill()


def _start(run: RunDir) -> subprocess.Popen[bytes]:
    """Start one run; what it prints goes to log.txt beside its records."""
    command = [sys.executable, "-m", "rlif", "train", str(run.config_path), "--out", str(run.path)]
    # A session of its own: Ctrl-C at the terminal reaches the study, which stops its runs in order.
    with (run.path / "log.txt").open("ab") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=_environment(),
            start_new_session=True,
        )


def _environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}


def _complete(run: RunDir) -> bool:
    status = run.read_status()
    return status is not None and status.state == "complete"


def _progress(
    run: StudyRun, place: RunDir, total: int, process: subprocess.Popen[bytes] | None
) -> RunProgress:
    code = process.poll() if process else None  # before status.json, which is final once the process is dead
    status = place.read_status()
    # Until it writes its own, a new process has the status of the one it continues.
    said = status.state if status and (process is None or status.pid == process.pid) else None
    error = ""
    if process is None:
        state = "complete" if said == "complete" else "waiting"
    elif code is None:
        state = said or "starting"
    elif status and said not in (None, "running"):
        state, error = said, status.error
    else:  # killed, out of memory, or it refused before it began
        end = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        state, error = "failed", f"it ended with {end}; see {place.path / 'log.txt'}"
    sampled = [record.pass_at_1 for record in place.evals() if record.mode == "sampled"]
    return RunProgress(
        id=run.id,
        label=run.label,
        state=state,
        step=status.step if status else 0,
        total_steps=total,
        stage=status.stage if status else "",
        pass_at_1=sampled[-1] if sampled else None,
        error=error,
    )
