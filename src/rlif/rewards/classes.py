"""Programs -> classes of behaviour: same outputs on all public inputs, same class.

Only the *inputs* of the public tests are used, never their expected outputs. A program that fails on any of
them (error, time-out, no program) is in no class: it agrees with nothing, not even with another failure.
"""

from collections import Counter
from collections.abc import Sequence

from rlif.problems.types import Problem
from rlif.rewards.signatures import Signature, signature
from rlif.sandbox.types import Execution

Behaviour = tuple[Signature, ...]
"""What a program does on every public input; hashable, equal for programs of one class."""


def behaviours(executions: Sequence[Execution], problem: Problem) -> list[Behaviour | None]:
    """Return the behaviour of each program, None for one that failed on an input.

    Raises:
        ValueError: an execution does not hold one output for each public test.
    """
    return [_behaviour(execution, problem) for execution in executions]


def largest_classes(found: Sequence[Behaviour | None]) -> tuple[frozenset[Behaviour], int]:
    """Return the behaviours shared by most programs, all of them when there is a tie, and by how many."""
    sizes = Counter(behaviour for behaviour in found if behaviour is not None)
    most = max(sizes.values(), default=0)
    return frozenset(behaviour for behaviour, size in sizes.items() if size == most), most


def _behaviour(execution: Execution, problem: Problem) -> Behaviour | None:
    tests = problem.public_tests
    if len(execution.outputs) != len(tests):
        raise ValueError(f"{len(execution.outputs)} outputs for {len(tests)} public tests")
    outputs = [signature(output, test.kind) for output, test in zip(execution.outputs, tests, strict=True)]
    known = tuple(output for output in outputs if output is not None)
    return known if len(known) == len(tests) else None
