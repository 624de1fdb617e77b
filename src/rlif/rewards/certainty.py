"""`CertaintyReward`: what all rewards computed from token statistics share: which tokens, by whom, at what T.

Three choices that papers make silently and that change the numbers:

- `temperature`: "model" takes the model's own distributions (T = 1, as Intuitor's trainer does whatever it
  samples at), "sampling" those that were sampled from (as its port to verl), "run" the run's setting;
- `tokens`: all of the completion, only its program (from the opening fence to the end), or only the
  reasoning before the program. A completion without a program has neither of the two;
- `scorer`: the policy itself (online), the frozen initial policy (offline) or an EMA of the policy.

A completion that was cut at the length limit is scored on the tokens it has.
"""

from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from rlif.rewards.base import Need, Reward, Signal, token_stats_of
from rlif.rollouts import RolloutGroup, Scorer, Scoring, StatsTemperature, TokenStats


class CertaintyReward(Reward):
    """Base of the certainty rewards. NaN where no token counts or a statistic that counts is not finite.

    Attributes:
        temperature: at which token statistics are taken.
        tokens: which tokens count.
        scorer: whose distributions are looked at.
    """

    needs: ClassVar = frozenset({Need.TOKEN_STATS})
    cost: ClassVar = "a forward pass over each completion, or none where the tap listens"
    undefined: ClassVar = "no token counts, or a statistic is not finite"

    temperature: StatsTemperature = "run"
    tokens: Literal["all", "code", "reasoning"] = "all"
    scorer: Scorer = Scorer.POLICY

    def signals(self) -> frozenset[Signal]:
        """Return the token statistics asked for, and what else the type needs."""
        own = self._scoring()
        return frozenset(self.needs - {Need.TOKEN_STATS}) | {own or Need.TOKEN_STATS}

    def _scoring(self) -> Scoring | None:
        """Return which statistics are wanted; None for the run's own."""
        wanted = Scoring(self.scorer, self.temperature)
        return None if wanted == Scoring() else wanted

    def counted(self, group: RolloutGroup) -> tuple[TokenStats, NDArray[np.bool_]]:
        """Return the token statistics [G, T], and a mask [G, T] that is True on the tokens that count."""
        stats = token_stats_of(group, self._scoring())
        mask = np.array(stats.mask, dtype=bool)
        if self.tokens != "all":
            for row, completion in zip(mask, group.completions, strict=True):
                start = completion.code_start
                if start is None:
                    row[:] = False
                elif self.tokens == "code":
                    row[:start] = False
                else:
                    row[start:] = False
        return stats, mask

    def _reason(self, group: RolloutGroup, index: int) -> str:
        _, mask = self.counted(group)
        if mask[index].any():
            return "a token statistic is not finite"
        return "no token" if self.tokens == "all" else f"no {self.tokens} token"
