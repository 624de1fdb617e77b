"""Unit tests: whether the program is right. The verifiable reward that intrinsic ones are compared with.

    r = 1 if all tests pass, else 0      or the share of tests passed, `fraction`

Reinforcement learning with verifiable rewards (RLVR; named by Tülu 3, arXiv 2411.15124). Public and hidden
tests count alike.
"""

from typing import ClassVar, Literal

import numpy as np

from rlif.rewards.base import Need, Reward, Scores, verdicts_of
from rlif.rollouts import RolloutGroup


class UnitTests(Reward):
    """1 when the program passes all tests, else 0.

    Attributes:
        fraction: tests passed / tests of the problem instead (NaN without tests). Tests that were not judged
            count as failed, so grade without stopping at the first failure.
    """

    needs: ClassVar = frozenset({Need.HIDDEN_TESTS})
    formula: ClassVar = "1[all tests pass], or the share passed with fraction"
    paper: ClassVar = "RLVR: Tülu 3, arXiv 2411.15124"
    cost: ClassVar = "G sandboxed programs on all tests, and having tests"
    failure: ClassVar = "no gradient where all or none pass; weak tests are gamed"

    type: Literal["unit_tests"] = "unit_tests"
    fraction: bool = False

    def __call__(self, group: RolloutGroup) -> Scores:
        """Return [G] zeros and ones, or shares in [0, 1]."""
        verdicts = verdicts_of(group)
        if not self.fraction:
            return np.array([verdict.passed for verdict in verdicts], dtype=np.float64)
        passed = np.array([sum(verdict.tests) for verdict in verdicts], dtype=np.float64)
        return passed / (len(group.problem.tests) or np.nan)
