"""`History`: all that a stopping rule may see, the label-free signals of the steps so far.

It has no place for a signal that needs tests, so a rule cannot read one by mistake. The reward is there,
whatever it is: where it comes from tests, the rule sees them through it, as training does.

The record of step t is measured on completions of the policy before update t: it speaks of the policy after
t − 1 updates.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from rlif.diagnostics.series import Floats, Ints
from rlif.records import StepRecord


class Signal(StrEnum):
    """The fields of `StepRecord` that need no tests and say something of the policy."""

    REWARD = "reward"
    REWARD_STD = "reward_std"
    ZERO_VARIANCE_GROUPS = "zero_variance_groups"
    LENGTH_MEAN = "length_mean"
    TRUNCATED = "truncated"
    ENTROPY = "entropy"
    SELF_CERTAINTY = "self_certainty"
    LOGPROB = "logprob"
    REASONING_SHARE = "reasoning_share"
    REASONING_RATE = "reasoning_rate"
    NO_CODE = "no_code"
    SYNTAX_ERROR = "syntax_error"
    DISTINCT_PROGRAMS = "distinct_programs"
    MAJORITY_SHARE = "majority_share"
    REWARD_LENGTH_CORR = "reward_length_corr"
    KL = "kl"


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """Signals of the n steps recorded so far, of one stage.

    Attributes:
        steps: [n] ascending.
        values: signal -> [n]; NaN where it was not recorded. A signal never recorded may be missing.
    """

    steps: Ints
    values: Mapping[Signal, Floats]

    @classmethod
    def of(cls, records: Sequence[StepRecord]) -> "History":
        """Return the history of records in ascending order of their steps."""
        steps = np.array([record.step for record in records], dtype=int)
        values = {name: np.array([getattr(r, name) for r in records], dtype=float) for name in Signal}
        return cls(steps, values)

    def signal(self, name: Signal) -> Floats:
        """Return a signal [n]; infinite values count as not recorded."""
        values = self.values.get(name)
        if values is None:
            return np.full(len(self.steps), np.nan)
        return np.where(np.isfinite(values), values, np.nan)

    def recorded(self, names: Iterable[Signal]) -> tuple[Signal, ...]:
        """Return those of the signals that have any value."""
        return tuple(name for name in names if np.isfinite(self.signal(name)).any())

    def until(self, count: int) -> "History":
        """Return the first `count` steps."""
        return History(self.steps[:count], {name: values[:count] for name, values in self.values.items()})
