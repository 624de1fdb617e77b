"""Run and study directories: what is written while training, and how it is read back. No torch."""

from rlif.records.run_dir import ROLLOUT_COLUMNS, RunDir
from rlif.records.schema import (
    BenchmarkRecord,
    EvalRecord,
    GroupScore,
    RewardSummary,
    RunState,
    StepRecord,
    StopRecord,
)
from rlif.records.study_dir import Role, RunInfo, StudyDir, StudyInfo

__all__ = [
    "ROLLOUT_COLUMNS",
    "BenchmarkRecord",
    "EvalRecord",
    "GroupScore",
    "RewardSummary",
    "Role",
    "RunDir",
    "RunInfo",
    "RunState",
    "StepRecord",
    "StopRecord",
    "StudyDir",
    "StudyInfo",
]
