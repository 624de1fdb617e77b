"""Unit tests: whether the program is right. The verifiable reward that intrinsic ones are compared with.

    r = 1 if all tests pass, else 0      or the share of tests passed, `fraction`

Reinforcement learning with verifiable rewards (RLVR; named by Tülu 3, arXiv 2411.15124). `tests` says which
count: all, those a solver may see ("public"; the hidden ones are then not touched), or only the hidden
ones.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Literal

import numpy as np

from rlif.grading import judge
from rlif.rewards.base import Need, Reward, Scores, Signal, executions_of, verdicts_of
from rlif.rollouts import RolloutGroup


class UnitTests(Reward):
    """1 when the program passes all tests that count, else 0.

    Attributes:
        fraction: tests passed / tests that count instead. Tests that were not judged count as failed: grade
            without stopping at the first failure.
        tests: which tests count.
    """

    needs: ClassVar = frozenset({Need.HIDDEN_TESTS})
    formula: ClassVar = "1[all tests pass], or the share passed with fraction"
    paper: ClassVar = "RLVR: Tülu 3, arXiv 2411.15124"
    cost: ClassVar = "G sandboxed programs on all tests, and having tests"
    failure: ClassVar = "no gradient where all or none pass; weak tests are gamed"
    undefined: ClassVar = "the problem has no tests that count"

    type: Literal["unit_tests"] = "unit_tests"
    fraction: bool = False
    tests: Literal["all", "public", "hidden"] = "all"

    def signals(self) -> frozenset[Signal]:
        """Return the verdicts; for public tests the executions, which are compared here."""
        return frozenset({Need.EXECUTIONS if self.tests == "public" else Need.HIDDEN_TESTS})

    def __call__(self, group: RolloutGroup) -> Scores:
        """Return [G] zeros and ones, or shares in [0, 1]."""
        public = len(group.problem.public_tests)
        if self.tests == "public":  # the hidden ones are not so much as counted: that would read them
            results, count = self._public(group), public
        else:
            first = 0 if self.tests == "all" else public
            results = [verdict.tests[first:] for verdict in verdicts_of(group)]
            count = public + len(group.problem.hidden_tests) - first
        if not count:
            return np.full(group.size, np.nan)
        passed = np.array([sum(tests) for tests in results], dtype=np.float64)
        return passed / count if self.fraction else (passed == count).astype(np.float64)

    def _public(self, group: RolloutGroup) -> list[Sequence[bool]]:
        """Judge what the programs did on the public inputs."""
        problem, executions = replace(group.problem, hidden_tests=()), executions_of(group)
        return [judge(problem, execution).tests for execution in executions] if problem.tests else []
