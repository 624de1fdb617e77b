"""What a log does not say, and what a diagnosis without it cannot see."""

import math
from collections.abc import Sequence

from rlif.diagnostics.series import series
from rlif.diagnostics.thresholds import Thresholds
from rlif.records import EvalRecord, StepRecord

COSTS = {
    "length_mean": "No completion length: length collapse and runaway completions cannot be seen.",
    "truncated": "No share of completions cut at the limit: endless repetition shows in the length only.",
    "entropy": "No entropy: vanishing or exploding entropy cannot be seen.",
    "zero_variance_groups": "No share of groups with equal rewards: advantage starvation cannot be seen.",
    "reward": "No reward: whether it rises while answers get worse cannot be seen.",
}
"""Signal that trainers log -> what its absence costs."""

_WRITTEN = ("reasoning_share", "reasoning_rate", "no_code", "syntax_error")


def missing(steps: Sequence[StepRecord], evals: Sequence[EvalRecord]) -> list[str]:
    """Return a sentence for each thing that cannot be judged, the worst first."""
    few = Thresholds().few_steps
    if len(steps) < few:
        return [f"{len(steps)} steps: with fewer than {few} nothing can be said of trends."]
    lines = [cost for name, cost in COSTS.items() if not _recorded(steps, name)]
    if not any(_recorded(steps, name) for name in _WRITTEN):
        lines.append(
            "Nothing on what is written: lost reasoning and answers without a program show in length only."
        )
    judged = [record for record in evals if math.isfinite(record.pass_at_1)]
    if not judged and not _recorded(steps, "pass_rate"):
        lines.append(
            "No test results: whether answers became better or worse is unknown; the alarm needs none."
        )
    elif judged and not any(record.correct for record in judged):
        lines.append(
            "No results problem by problem: held-out scores have no interval, so the verdict stays undecided."
        )
    return lines


def _recorded(steps: Sequence[StepRecord], name: str) -> bool:
    return len(series(steps, name).values) >= Thresholds().few_steps
