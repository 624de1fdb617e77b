"""Where the runs of a study stand, from what they wrote."""

import fcntl
import math
import os
from dataclasses import dataclass

from rlif.records import RunDir, RunInfo, RunState, StudyDir
from rlif.study.attempts import Attempts


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


def progress_of(info: RunInfo, run: RunDir, total_steps: int, state: str, error: str = "") -> RunProgress:
    """Return where a run stands by its records, in the state and with the error that the caller knows."""
    status = run.read_status()
    sampled = [record.pass_at_1 for record in run.evals() if record.mode == "sampled"] if run.exists else []
    return RunProgress(
        id=info.id,
        label=info.label,
        state=state,
        step=status.step if status else 0,
        # A stopping rule may have made it shorter than was asked.
        total_steps=status.total_steps if status and state == "complete" else total_steps,
        stage=status.stage if status else "",
        pass_at_1=sampled[-1] if sampled and math.isfinite(sampled[-1]) else None,
        error=error,
    )


def study_progress(place: StudyDir) -> list[RunProgress]:
    """Return where all runs of a study stand, for someone who looks on.

    Raises:
        UserError: the directory is not a study's, or damaged.
    """
    errors = Attempts(place.path).last_errors()
    found: list[RunProgress] = []
    for info in place.info().runs:
        run = place.run_dir(info.id)
        status = run.read_status()
        error = errors.get(info.id, "")
        state = "waiting" if status is None else status.state
        if status is not None and status.state == "running" and not _alive(run, status):
            state = "failed" if error else "interrupted"
        elif status is None and error:
            state = "failed"
        over = state in ("complete", "running")
        total = (info.model_extra or {}).get("total_steps", status.total_steps if status else 0)
        found.append(progress_of(info, run, total, state, "" if over else error))
    return found


def is_complete(run: RunDir) -> bool:
    """Whether a run says that it is."""
    status = run.read_status()
    return status is not None and status.state == "complete"


def is_locked(run: RunDir) -> bool:
    """Whether a process trains in a run's directory; the lock ends with its process."""
    try:
        with (run.path / ".lock").open("r") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _alive(run: RunDir, status: RunState) -> bool:
    """Whether the process that says it is running still is; the lock answers for those of other machines."""
    try:
        os.kill(status.pid, 0)
    except ProcessLookupError:
        return is_locked(run)
    except PermissionError:  # it lives, and is somebody else's
        return True
    return True
