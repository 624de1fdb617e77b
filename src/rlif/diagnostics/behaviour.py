"""What the programs of a group did on the public inputs: whether they ran, and how they agree.

Programs of equal outputs on every public input form a class; one that fails on an input is in none (see
`rlif.rewards.classes`). Expected outputs are not looked at: nothing here needs the truth.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence

from rlif.diagnostics.health import mean
from rlif.rewards.classes import Behaviour, behaviours
from rlif.rollouts import RolloutGroup
from rlif.sandbox.types import RunStatus


def summarise_behaviour(groups: Sequence[RolloutGroup]) -> dict[str, float]:
    """Return the fields of `StepRecord` that come from running programs on the public inputs.

    Groups that nobody ran, or whose problem has no public tests, do not count.

    Returns:
        executable, timeout, constant_output: shares of completions; the last over problems with at least two
            different public inputs, since one input, or the same twice, cannot tell.
        majority_share, distinct_behaviours, behaviour_entropy: means over groups of the largest class / G,
            of the number of classes / G, and of the entropy of the classes (nats).

    Raises:
        ValueError: an execution does not hold one output for each public test.
    """
    statuses: list[RunStatus] = []
    constant: list[bool] = []
    majority: list[float] = []
    distinct: list[float] = []
    entropy: list[float] = []
    for group in groups:
        tests = group.problem.public_tests
        if group.executions is None or not tests:
            continue
        found = behaviours(group.executions, group.problem)
        sizes = Counter(behaviour for behaviour in found if behaviour is not None)
        statuses += [execution.status for execution in group.executions]
        if len({test.input for test in tests}) > 1:
            constant += [_constant(behaviour) for behaviour in found]
        majority.append(max(sizes.values(), default=0) / group.size)
        distinct.append(len(sizes) / group.size)
        entropy.append(entropy_of(sizes.values()))
    return {
        "executable": mean([status is RunStatus.OK for status in statuses]),
        "timeout": mean([status is RunStatus.TIMEOUT for status in statuses]),
        "constant_output": mean(constant),
        "majority_share": mean(majority),
        "distinct_behaviours": mean(distinct),
        "behaviour_entropy": mean(entropy),
    }


def entropy_of(sizes: Iterable[int]) -> float:
    """Return −Σ_c q_c log q_c in nats, q_c the share of class c in all of them; NaN without any class."""
    counts = list(sizes)
    total = sum(counts)
    return sum(n / total * math.log(total / n) for n in counts) if total else math.nan


def _constant(behaviour: Behaviour | None) -> bool:
    return behaviour is not None and len(set(behaviour)) == 1
