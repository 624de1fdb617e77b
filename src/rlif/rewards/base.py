"""`Reward`: what every reward is, and how it gets at the signals of a group.

A reward is its own configuration: a frozen pydantic model whose literal `type` names it in TOML, so that
`{type = "unit_tests", fraction = true}` is the reward. Calling it with a `RolloutGroup` of G completions
gives [G] floats, higher is better, and nothing else: no normalisation (the trainer's), no side effects.

A signal that the group lacks is an error that names it. A score that is not defined (no token, nobody to
agree with) is NaN. Neither is ever 0, which a trainer could not tell from a real score.
"""

from abc import ABC, abstractmethod
from enum import StrEnum
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from rlif.errors import UserError
from rlif.grading.types import Verdict
from rlif.rollouts import RolloutGroup, TokenStats
from rlif.sandbox.types import Execution

Scores = NDArray[np.float64]
"""[G] float64: one score a completion, higher is better, NaN where undefined."""


class Need(StrEnum):
    """A signal that costs something to compute; the trainer computes what the active rewards need, once."""

    TOKEN_STATS = "token_stats"  # RolloutGroup.token_stats
    EXECUTIONS = "executions"  # RolloutGroup.executions
    HIDDEN_TESTS = "hidden_tests"  # RolloutGroup.verdicts
    TEACHER = "teacher"  # another model's judgement; no reward uses one yet


class Reward(BaseModel, ABC):
    """Base of all rewards. A subclass adds a literal `type`, its options, the facts below and `__call__`.

    Attributes:
        weight: share in a mixture of rewards. The trainer applies it; calling the reward does not.
        needs: signals that the group must carry.
        formula, paper: what is computed and where it comes from ("-" when nowhere in particular).
        cost: what has to be run for it. failure: how training on it is known to go wrong.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    needs: ClassVar[frozenset[Need]]
    formula: ClassVar[str]
    paper: ClassVar[str]
    cost: ClassVar[str]
    failure: ClassVar[str]

    type: Any  # a Literal in each subclass
    weight: Annotated[float, Field(allow_inf_nan=False)] = 1.0

    @abstractmethod
    def __call__(self, group: RolloutGroup) -> Scores:
        """Return [G] scores of the completions, in their order.

        Raises:
            UserError: the group lacks a signal of `needs`.
        """


def token_stats_of(group: RolloutGroup) -> TokenStats:
    """Return the group's token statistics as numpy arrays [G, T]; UserError when it has none."""
    if group.token_stats is None:
        raise _missing(Need.TOKEN_STATS, "Compute them with rlif.token_stats.token_stats(logits, targets).")
    stats = group.token_stats.numpy()
    _check_count("token_stats", len(stats.mask), group)
    return stats


def executions_of(group: RolloutGroup) -> tuple[Execution, ...]:
    """Return what each of the G programs did on the public inputs; UserError when nobody ran them."""
    if group.executions is None:
        raise _missing(Need.EXECUTIONS, "Run the programs on the public test inputs with rlif.sandbox.")
    _check_count("executions", len(group.executions), group)
    return group.executions


def verdicts_of(group: RolloutGroup) -> tuple[Verdict, ...]:
    """Return the verdicts of the G programs on all tests; UserError when nobody judged them."""
    if group.verdicts is None:
        raise _missing(Need.HIDDEN_TESTS, "Grade the programs on all tests with rlif.grading.")
    _check_count("verdicts", len(group.verdicts), group)
    return group.verdicts


def _missing(need: Need, fix: str) -> UserError:
    return UserError(f"A reward needs {need.value}, which this rollout group does not carry.", fix)


def _check_count(signal: str, count: int, group: RolloutGroup) -> None:
    if count != group.size:
        raise ValueError(f"{signal} has {count} rows for a group of {group.size} completions")
