"""pass@1 by platform, difficulty and month: where a model is strong, and where it may have read the answers.

A fall of pass@1 from one month to the next near the end of a model's training data is what contamination
looks like (LiveCodeBench, arXiv 2403.07974, figure 1).
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from rlif.grading import bootstrap_ci
from rlif.problems.types import Problem
from rlif.records import GroupScore

DIMENSIONS: dict[str, Callable[[Problem], str]] = {
    "platform": lambda problem: problem.platform,
    "difficulty": lambda problem: problem.difficulty,
    "month": lambda problem: f"{problem.date:%Y-%m}" if problem.date else "",
}
"""Name -> the group a problem belongs to, "" for none."""


def breakdown(
    problems: Sequence[Problem], correct: Mapping[str, int], samples: int
) -> dict[str, dict[str, GroupScore]]:
    """Return pass@1 with its interval by dimension and group; dimensions with only one group are left out.

    Args:
        problems: what was asked; those not in `correct` were not judged.
        correct: problem id -> number of right samples.
        samples: a problem.
    """
    found: dict[str, dict[str, GroupScore]] = {}
    for name, group_of in DIMENSIONS.items():
        members: defaultdict[str, list[str]] = defaultdict(list)
        for problem in problems:
            if problem.id in correct and (group := group_of(problem)):
                members[group].append(problem.id)
        if len(members) > 1:
            found[name] = {group: _score(members[group], correct, samples) for group in sorted(members)}
    return found


def _score(ids: list[str], correct: Mapping[str, int], samples: int) -> GroupScore:
    rates = [correct[i] / samples for i in ids]
    return GroupScore(ids=ids, pass_at_1=sum(rates) / len(rates), pass_at_1_ci=bootstrap_ci(rates))
