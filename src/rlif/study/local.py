"""Run a study's runs as processes on this machine, a few at a time."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rlif.records import RunDir, StudyDir
from rlif.study.config import StudyConfig

POLL_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class RunProgress:
    """Where one run of a study stands; `state` is a run's own word, or "waiting"."""

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
        study: what to run. directory: where; runs that are there already are continued.
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

    def progress() -> list[RunProgress]:
        return [
            _progress(run.id, run.label, place.run_dir(run.id), configs[run.id].total_steps, run.id in active)
            for run in study.runs
        ]

    active: dict[str, subprocess.Popen[bytes]] = {}
    waiting = [run.id for run in study.runs if not _complete(place.run_dir(run.id))]
    try:
        while waiting or active:
            for run_id in [run_id for run_id, process in active.items() if process.poll() is not None]:
                del active[run_id]
            while waiting and len(active) < processes:
                run_id = waiting.pop(0)
                active[run_id] = _start(place.run_dir(run_id))
            show(progress())
            time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        for process in active.values():
            process.send_signal(signal.SIGTERM)  # ends after the step in flight, with a checkpoint
        for process in active.values():
            process.wait()
        raise Stopped from None
    except BaseException:
        for process in active.values():
            process.kill()
        raise
    return progress()


def _start(run: RunDir) -> subprocess.Popen[bytes]:
    """Start one run; what it prints goes to log.txt beside its records."""
    command = [sys.executable, "-m", "rlif", "train", str(run.config_path), "--out", str(run.path)]
    # A session of its own: Ctrl-C at the terminal reaches the study, which stops its runs in order.
    with (run.path / "log.txt").open("ab") as log:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=_environment(), start_new_session=True
        )


def _environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}


def _complete(run: RunDir) -> bool:
    status = run.read_status()
    return status is not None and status.state == "complete"


def _progress(run_id: str, label: str, run: RunDir, total: int, active: bool) -> RunProgress:
    status = run.read_status()
    if status is None:
        return RunProgress(run_id, label, "starting" if active else "waiting", 0, total, "", None, "")
    state = status.state
    if state == "running" and not active:
        state = "failed"  # it died without a word: killed, or out of memory
    sampled = [record.pass_at_1 for record in run.evals() if record.mode == "sampled"]
    last = sampled[-1] if sampled else None
    error = status.error or (f"ended without a word; see {run.path / 'log.txt'}" if state == "failed" else "")
    return RunProgress(run_id, label, state, status.step, total, status.stage, last, error)
