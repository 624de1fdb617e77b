"""Semantic entropy (EMPO): the share of the group that means the same.

    r_i = |class of i| / G;  0 for all when every answer differs (the entropy of classes is log G)

EMPO (arXiv 2504.05812), as its code has it: rewarding the share of one's own class makes the entropy of the
classes, −Σ_c (|c|/G) log (|c|/G), fall. Classes are those of equal behaviour on the public inputs. The code
gives 0 to an answer that cannot be parsed; here that is a program that fails. (Its later verl version also
drops groups by confidence, which `majority_vote` has as `threshold`.)
"""

from collections import Counter
from typing import ClassVar, Literal

import numpy as np

from rlif.rewards.base import Need, Reward, Scores, executions_of
from rlif.rewards.classes import behaviours
from rlif.rollouts import RolloutGroup


class SemanticEntropy(Reward):
    """Share of the group in the program's class, in [0, 1]."""

    needs: ClassVar = frozenset({Need.EXECUTIONS})
    formula: ClassVar = "size of its class of equal outputs / G; 0 for failures, and for all when all differ"
    paper: ClassVar = "EMPO, arXiv 2504.05812"
    cost: ClassVar = "G sandboxed programs on the public inputs"
    failure: ClassVar = "a wrong majority is reinforced; answers that any prompt allows win"
    undefined: ClassVar = "G = 1, or no public inputs"

    type: Literal["semantic_entropy"] = "semantic_entropy"

    def __call__(self, group: RolloutGroup) -> Scores:
        """Return [G] shares."""
        found = behaviours(executions_of(group), group.problem)
        if group.size == 1 or not group.problem.public_tests:
            return np.full(group.size, np.nan)
        sizes = Counter(behaviour for behaviour in found if behaviour is not None)
        if max(sizes.values(), default=0) <= 1:
            return np.zeros(group.size)
        return np.array([0 if b is None else sizes[b] for b in found], dtype=np.float64) / group.size
