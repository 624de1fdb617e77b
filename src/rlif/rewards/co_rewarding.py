"""Co-rewarding: whether the program does what most of somebody else's programs do.

    r_i = 1 if program i behaves as the largest class of the judges' programs, else 0

Co-rewarding (arXiv 2508.00410) takes the pseudo-label from outside the group, so that the policy cannot
agree with itself into collapse. Variant II: the judges are samples of a teacher, an exponential moving
average of the policy. Variant I: they are samples of the policy for the same problem in other words.

Of classes tied for largest all count. When no program of the judges runs there is no label, and all scores
are NaN; the authors' code gives all 0, which after normalisation is the same: nothing to learn.
"""

from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from rlif.rewards.base import Need, Reward, Scores, Signal, ballot_of, executions_of
from rlif.rewards.classes import behaviours, largest_classes
from rlif.rollouts import Ballot, RolloutGroup, Voters


class CoRewarding(Reward):
    """1 for agreeing with the judges' majority, else 0; a failure agrees with nothing.

    Attributes:
        judges: "ema" for the teacher's samples (II), "rephrased" for another prompt's (I).
        samples: how many of them.
    """

    needs: ClassVar = frozenset({Need.EXECUTIONS, Need.TEACHER})
    formula: ClassVar = "1[outputs equal those of the largest class among an EMA teacher's programs]"
    paper: ClassVar = "Co-rewarding, arXiv 2508.00410"
    cost: ClassVar = "samples and sandboxed programs a second time, and the teacher's weights"
    failure: ClassVar = "slower: the teacher follows the policy into a wrong majority"
    undefined: ClassVar = "no public inputs, or no program of the judges runs"

    type: Literal["co_rewarding"] = "co_rewarding"
    judges: Literal["ema", "rephrased"] = "ema"
    samples: Annotated[int, Field(ge=1)] = 8

    def signals(self) -> frozenset[Signal]:
        """Return the group's executions and the judges'."""
        return frozenset({Need.EXECUTIONS, self._ballot()})

    def _ballot(self) -> Ballot:
        return Ballot(Voters(self.judges), self.samples)

    def __call__(self, group: RolloutGroup) -> Scores:
        """Return [G] zeros and ones."""
        own = behaviours(executions_of(group), group.problem)
        label, most = largest_classes(behaviours(ballot_of(group, self._ballot()), group.problem))
        if not group.problem.public_tests or most == 0:
            return np.full(group.size, np.nan)
        return np.array([behaviour in label for behaviour in own], dtype=np.float64)
