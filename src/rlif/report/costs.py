"""What a run of an arm costs: time and tokens."""

from dataclasses import dataclass

import numpy as np

from rlif.report.arms import Arm


@dataclass(frozen=True, slots=True)
class Cost:
    """Means over runs. seconds: wall clock; NaN where not recorded. tokens: trained on."""

    seconds: float
    tokens: float


def cost(arm: Arm) -> Cost:
    """Return what a run of an arm costs."""
    seconds = [run.status.seconds for run in arm.runs if run.status and run.status.seconds]
    tokens = [run.steps[-1].tokens if run.steps else np.nan for run in arm.runs]
    return Cost(float(np.mean(seconds)) if seconds else float("nan"), float(np.mean(tokens)))
