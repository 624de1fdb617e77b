"""Functional majority: how often the other programs of the group behave like this one.

    s_i = mean over j ≠ i and public inputs m of 1[out_i(m) = out_j(m)]

After Functional Majority Voting (FMV, arXiv 2604.15618), which picks the program that agrees most with the
others and also trains on functional consensus; the training reward itself we could not read. This is the
soft form, computed from the *inputs* of the public tests and never from their expected outputs. Errors and
time-outs agree with nothing, not even with each other: else a group that all crashes would score highest.
"""

from collections import Counter
from typing import ClassVar, Literal

import numpy as np

from rlif.rewards.base import Need, Reward, Scores, executions_of
from rlif.rewards.signatures import signature
from rlif.rollouts import RolloutGroup


class FunctionalMajority(Reward):
    """Mean agreement with the G − 1 other programs, in [0, 1]; NaN for G = 1 or without public inputs."""

    needs: ClassVar = frozenset({Need.EXECUTIONS})
    formula: ClassVar = "mean over j≠i and public inputs m of 1[out_i(m) = out_j(m)]"
    paper: ClassVar = "after FMV, arXiv 2604.15618"
    cost: ClassVar = "G sandboxed programs on the public inputs"
    failure: ClassVar = "a wrong majority is reinforced; constant programs agree with each other"
    undefined: ClassVar = "G = 1, or no public inputs"

    type: Literal["functional_majority"] = "functional_majority"

    def __call__(self, group: RolloutGroup) -> Scores:
        """Return [G] mean agreements.

        Raises:
            ValueError: an execution does not hold one output for each public test.
        """
        executions, tests = executions_of(group), group.problem.public_tests
        for execution in executions:
            if len(execution.outputs) != len(tests):
                raise ValueError(f"{len(execution.outputs)} outputs for {len(tests)} public tests")
        if group.size == 1 or not tests:
            return np.full(group.size, np.nan)
        agreements = np.zeros(group.size)
        for m, test in enumerate(tests):
            signatures = [signature(execution.outputs[m], test.kind) for execution in executions]
            sizes = Counter(signatures)
            agreements += [0 if s is None else sizes[s] - 1 for s in signatures]
        return agreements / (len(tests) * (group.size - 1))
