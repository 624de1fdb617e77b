"""Majority vote: whether the program does what most programs do.

    r_i = 1 if program i is in the largest class of equal behaviour, else 0
    soft:  r_i = size of its own class / number of voters

TTRL (arXiv 2504.16084) and SRT (arXiv 2505.21444) vote on the final answers of mathematics; here the answer
is what the program does on the public inputs. TTRL votes on more samples than it trains on (64 and 32):
`extra_votes`. SRT keeps prompts whose majority is large enough: `threshold`; below it there is no majority
to speak of and all scores are NaN.

Departure: of classes tied for largest all win, where the authors' code takes the one it met first. So the
order of the group does not matter, and a group in which all differ has no variance.
"""

from collections import Counter
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from rlif.rewards.base import Need, Reward, Scores, Signal, ballot_of, executions_of
from rlif.rewards.classes import Behaviour, behaviours, largest_classes
from rlif.rollouts import Ballot, RolloutGroup, Voters


class MajorityVote(Reward):
    """1 in the largest class, else 0; failures are in none.

    Attributes:
        soft: the share of all voters in the program's own class instead.
        threshold: smallest share of all voters that makes a majority.
        extra_votes: further samples of the policy that vote but are not scored.
    """

    needs: ClassVar = frozenset({Need.EXECUTIONS})
    formula: ClassVar = "1[in the largest class of equal outputs], or the share of its own class with soft"
    paper: ClassVar = "TTRL, arXiv 2504.16084; SRT, arXiv 2505.21444"
    cost: ClassVar = "G sandboxed programs on the public inputs, and as many samples more as extra_votes says"
    failure: ClassVar = "a wrong majority is reinforced; ends with every program the same"
    undefined: ClassVar = "one voter alone, no public inputs, or a largest class below threshold"

    type: Literal["majority_vote"] = "majority_vote"
    soft: bool = False
    threshold: Annotated[float, Field(ge=0, le=1)] = 0.0
    extra_votes: Annotated[int, Field(ge=0)] = 0

    def signals(self) -> frozenset[Signal]:
        """Return the group's executions, and those of the extra voters."""
        extra = {Ballot(Voters.POLICY, self.extra_votes)} if self.extra_votes else set[Ballot]()
        return self.needs | extra

    def __call__(self, group: RolloutGroup) -> Scores:
        """Return [G] zeros and ones, or shares in [0, 1]."""
        own = behaviours(executions_of(group), group.problem)
        voters = own + self._extra(group)
        winners, most = largest_classes(voters)
        if len(voters) == 1 or not group.problem.public_tests or most < self.threshold * len(voters):
            return np.full(group.size, np.nan)
        if self.soft:
            sizes = Counter(voters)
            return np.array([0 if b is None else sizes[b] for b in own], dtype=np.float64) / len(voters)
        return np.array([b in winners for b in own], dtype=np.float64)

    def _extra(self, group: RolloutGroup) -> list[Behaviour | None]:
        if not self.extra_votes:
            return []
        return behaviours(ballot_of(group, Ballot(Voters.POLICY, self.extra_votes)), group.problem)
