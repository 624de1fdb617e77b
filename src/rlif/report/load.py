"""A run or study directory -> everything a report shows: records, findings, comparisons."""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rlif.conclusions.families import role_of
from rlif.diagnostics import Findings, TransferComparison, compare_transfer, diagnose
from rlif.errors import UserError
from rlif.records import EvalRecord, Role, RunDir, RunInfo, RunState, StepRecord, StudyDir, StudyInfo


@dataclass(frozen=True, slots=True)
class Run:
    """One run, read and diagnosed."""

    id: str
    label: str
    role: Role
    directory: RunDir
    config: dict[str, Any]
    status: RunState | None
    steps: list[StepRecord]
    evals: list[EvalRecord]
    findings: Findings

    @property
    def note(self) -> str:
        """What to know before trusting its numbers; "" for a complete run."""
        if self.status is None or self.status.state == "complete":
            return ""
        progress = f"step {self.status.step} of {self.status.total_steps}"
        return f"{self.status.state}, {progress}" + (f": {self.status.error}" if self.status.error else "")


@dataclass(frozen=True, slots=True)
class Transfer:
    """A run that began without tests and went on with them, beside one on tests alone."""

    run: Run
    rlvr: Run
    found: TransferComparison


@dataclass(frozen=True, slots=True)
class Study:
    """What a report is about: one run or several."""

    path: Path
    name: str
    description: str
    runs: list[Run]
    transfers: list[Transfer]
    read_at: float = field(default_factory=time.time)

    def with_role(self, *roles: Role) -> list[Run]:
        """Return the runs of the given roles, in order."""
        return [run for run in self.runs if run.role in roles]


def load_study(path: str | Path) -> Study:
    """Read and diagnose a run directory, or all started runs of a study directory.

    Raises:
        UserError: it is neither, nothing has been recorded yet, or a file is damaged.
    """
    path = Path(path)
    study = StudyDir(path)
    if study.exists:
        info = study.info()
        runs = [_run(run_info, run_dir) for run_info, run_dir in study.runs()]
    elif RunDir(path).exists:
        info = StudyInfo(name=path.resolve().name)
        runs = [_run(RunInfo.model_construct(id=info.name, label="", role=None), RunDir(path))]
    else:
        fix = "Name a directory that holds study.json, or config.json and metrics.jsonl."
        raise UserError(f"{path} is neither a run nor a study directory.", fix)
    if not any(run.steps or run.evals for run in runs):
        raise UserError(f"Nothing has been recorded in {path} yet.", "Train first, then report.")
    return Study(path, info.name, info.description, runs, _transfers(runs))


def _run(info: RunInfo, directory: RunDir) -> Run:
    steps, evals = directory.steps(), directory.evals()
    return Run(
        id=info.id,
        label=info.label or info.id,
        role=info.role or role_of(steps),
        directory=directory,
        config=directory.config() if directory.config_path.is_file() else {},
        status=directory.read_status(),
        steps=steps,
        evals=evals,
        findings=diagnose(steps, evals),
    )


def _transfers(runs: list[Run]) -> list[Transfer]:
    """Pair each transfer run with the first run on tests alone that was evaluated in the same way."""
    evaluated = [run for run in runs if run.evals]
    rlvr = next((run for run in evaluated if run.role is Role.VERIFIABLE), None)
    if rlvr is None:
        return []
    return [
        Transfer(run, rlvr, compare_transfer(run.steps, run.evals, rlvr.evals))
        for run in evaluated
        if run.role is Role.TRANSFER
        and run.steps
        and {e.mode for e in run.evals} & {e.mode for e in rlvr.evals}
    ]
