"""A run or study directory -> everything a report shows: runs, each read and diagnosed, and their arms."""

import time
from dataclasses import dataclass, field
from pathlib import Path

from rlif.conclusions.families import role_of
from rlif.diagnostics import TransferComparison, diagnose
from rlif.errors import UserError
from rlif.records import Role, RunDir, RunInfo, StudyDir, StudyInfo
from rlif.report.arms import Arm, Run, arms_of
from rlif.report.contrast import transfer_contrast


@dataclass(frozen=True, slots=True)
class Transfer:
    """An arm that began without tests and went on with them, beside one on tests alone."""

    arm: Arm
    rlvr: Arm
    found: TransferComparison


@dataclass(frozen=True, slots=True)
class Study:
    """What a report is about: one run or several.

    Attributes:
        runs: in the order of study.json. arms: the same, seeds put together.
        transfers: of the arms that began without tests.
    """

    path: Path
    name: str
    description: str
    runs: list[Run]
    arms: list[Arm]
    transfers: list[Transfer]
    read_at: float = field(default_factory=time.time)

    @property
    def centre(self) -> list[Arm]:
        """The arms at the centre of all axes, or all where there is no centre."""
        return [arm for arm in self.arms if not arm.variation] or self.arms

    @property
    def control(self) -> Arm | None:
        """The evaluated control to compare with: the random reward, or else the first."""
        controls = [arm for arm in self.with_role(Role.CONTROL) if arm.findings.performance is not None]
        return next((arm for arm in controls if arm.rewards == {"random"}), controls[0] if controls else None)

    @property
    def tests(self) -> Arm | None:
        """The first evaluated arm on tests alone."""
        return next((a for a in self.with_role(Role.VERIFIABLE) if a.findings.performance is not None), None)

    def with_role(self, *roles: Role) -> list[Arm]:
        """Return the central arms of the given roles, in order."""
        return [arm for arm in self.centre if arm.role in roles]


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
    arms = arms_of(runs)
    return Study(path, info.name, info.description, runs, arms, _transfers(arms))


def _run(info: RunInfo, directory: RunDir) -> Run:
    steps, evals = directory.steps(), directory.evals()
    more = info.model_extra or {}
    return Run(
        id=info.id,
        label=info.label or info.id,
        role=info.role or role_of(steps),
        arm=str(more.get("arm", "")),
        variation=str(more.get("variation", "")),
        directory=directory,
        config=directory.config() if directory.config_path.is_file() else {},
        status=directory.read_status(),
        steps=steps,
        evals=evals,
        findings=diagnose(steps, evals),
    )


def _transfers(arms: list[Arm]) -> list[Transfer]:
    """Pair each transfer arm with the first arm on tests alone that was evaluated in the same way."""
    evaluated = [arm for arm in arms if arm.findings.performance is not None]
    rlvr = next((arm for arm in evaluated if arm.role is Role.VERIFIABLE), None)
    if rlvr is None:
        return []
    return [
        Transfer(arm, rlvr, transfer_contrast(arm, rlvr))
        for arm in evaluated
        if arm.role is Role.TRANSFER
        and arm.steps
        and {e.mode for e in arm.evals} & {e.mode for e in rlvr.evals}
    ]
