"""Length: the number of tokens. A control: what training does when nothing but length is paid for.

    r = −tokens (shorter)   or   r = tokens (longer)

Collapse under intrinsic rewards often is a change of length; this shows what that alone looks like.
"""

from typing import ClassVar, Literal

import numpy as np

from rlif.rewards.base import Need, Reward, Scores
from rlif.rollouts import RolloutGroup


class Length(Reward):
    """Tokens of the completion up to and including EOS, or minus that.

    Attributes:
        prefer: "shorter" or "longer". The longest ones are those cut at the length limit.
    """

    needs: ClassVar = frozenset[Need]()
    formula: ClassVar = "−(number of tokens), or the number with prefer = longer"
    paper: ClassVar = "-"
    cost: ClassVar = "none"
    failure: ClassVar = "a control: shorter ends in empty answers, longer at the length limit"
    undefined: ClassVar = "no token"

    type: Literal["length"] = "length"
    prefer: Literal["shorter", "longer"] = "shorter"

    def __call__(self, group: RolloutGroup) -> Scores:
        """Return [G] numbers of tokens, negative for "shorter"."""
        tokens = np.array([c.tokens or np.nan for c in group.completions], dtype=np.float64)
        return -tokens if self.prefer == "shorter" else tokens
