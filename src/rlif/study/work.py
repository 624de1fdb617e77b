"""How much a run has to do: steps, completions, tokens at most. Exact, but for how long completions are."""

from dataclasses import dataclass

from rlif.config import ProblemsConfig, RunConfig
from rlif.problems.load import MINICODE_SIZE

SIZES = {"minicode": MINICODE_SIZE, "humaneval": 82}
"""Problems of a split that a run takes without a limit; what is not listed counts as `UNKNOWN_SIZE`."""
UNKNOWN_SIZE = 200


@dataclass(frozen=True, slots=True)
class Work:
    """What a run, or several, have to do.

    Attributes:
        steps: of training. evaluations: of the policy, before the first step too.
        completions: sampled and trained on. evaluated: sampled for evaluations.
    """

    steps: int
    evaluations: int
    completions: int
    evaluated: int


def work_of(config: RunConfig) -> Work:
    """Return what a run has to do."""
    completions = sum(
        stage.steps * config.stage_grpo(index).completions_per_step
        for index, stage in enumerate(config.stages)
    )
    ends, total = set[int](), 0
    for stage in config.stages:
        total += stage.steps
        ends.add(total)
    table = config.evaluation
    evaluations = 1 + len(ends | set(range(table.every, total + 1, table.every)))
    each = problem_count(table.problems) * (table.samples + table.greedy)
    return Work(total, evaluations, completions, evaluations * each)


def problem_count(table: ProblemsConfig) -> int:
    """Return how many problems a table asks for, without reading them."""
    return table.limit or SIZES.get(table.name, UNKNOWN_SIZE)
