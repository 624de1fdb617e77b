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
from rlif.rollouts import Ballot, RolloutGroup, Scoring, TokenStats
from rlif.sandbox.types import Execution

Scores = NDArray[np.float64]
"""[G] float64: one score a completion, higher is better, NaN where undefined."""


class Need(StrEnum):
    """A signal that costs something to compute; the trainer computes what the active rewards need, once."""

    TOKEN_STATS = "token_stats"  # RolloutGroup.token_stats
    EXECUTIONS = "executions"  # RolloutGroup.executions
    HIDDEN_TESTS = "hidden_tests"  # RolloutGroup.verdicts
    TEACHER = "teacher"  # RolloutGroup.ballots: programs of answers outside the group
    VERIFICATIONS = "verifications"  # RolloutGroup.verifications


Signal = Need | Scoring | Ballot
"""One thing to compute for a group. A `Scoring` or `Ballot` says exactly which statistics or samples."""


class Reward(BaseModel, ABC):
    """Base of all rewards. A subclass adds a literal `type`, its options, the facts below and `__call__`.

    Attributes:
        weight: share in a mixture of rewards. The mixture applies it; calling the reward does not.
        needs: signals that the group must carry, with default options; see `signals`.
        formula, paper: what is computed and where it comes from ("-" when nowhere in particular).
        cost: what has to be run for it. failure: how training on it is known to go wrong.
        undefined: when a score is NaN.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    needs: ClassVar[frozenset[Need]]
    formula: ClassVar[str]
    paper: ClassVar[str]
    cost: ClassVar[str]
    failure: ClassVar[str]
    undefined: ClassVar[str]

    type: Any  # a Literal in each subclass
    weight: Annotated[float, Field(allow_inf_nan=False)] = 1.0

    @abstractmethod
    def __call__(self, group: RolloutGroup) -> Scores:
        """Return [G] scores of the completions, in their order.

        Raises:
            UserError: the group lacks one of `signals`.
        """

    def signals(self) -> frozenset[Signal]:
        """Return every signal the group must carry for this reward, as it is configured."""
        return frozenset(self.needs)

    def why_undefined(self, group: RolloutGroup) -> tuple[str, ...]:
        """Return for each of the G completions why its score is NaN; "" where it is a number."""
        return tuple(self._reason(group, i) if np.isnan(score) else "" for i, score in enumerate(self(group)))

    def _reason(self, group: RolloutGroup, index: int) -> str:
        """Return why the score of completion `index` is NaN."""
        return self.undefined


def token_stats_of(group: RolloutGroup, scoring: Scoring | None = None) -> TokenStats:
    """Return token statistics of the group as numpy arrays [G, T]: the run's own, or those of `scoring`.

    Raises:
        UserError: it has none, or they were taken at a temperature that leaves no distribution.
    """
    stats = group.token_stats if scoring is None else group.scored.get(scoring)
    if stats is None:
        fix = "Compute them with rlif.token_stats.token_stats(logits, targets)"
        raise _missing(scoring or Need.TOKEN_STATS, f"{fix}{' into RolloutGroup.scored' if scoring else ''}.")
    if not 0 < stats.temperature < np.inf:
        raise UserError(
            f"Token statistics cannot be taken at temperature {stats.temperature}: there is no distribution.",
            'Sample at a positive temperature, or set temperature = "model".',
        )
    _check_count("token_stats", len(stats.mask), group)
    return stats.numpy()


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


def ballot_of(group: RolloutGroup, ballot: Ballot) -> tuple[Execution, ...]:
    """Return what the programs of a ballot did on the public inputs; UserError when it was not taken."""
    if ballot not in group.ballots:
        raise _missing(ballot, "Sample and run them into RolloutGroup.ballots.")
    if len(group.ballots[ballot]) != ballot.samples:
        raise ValueError(f"{len(group.ballots[ballot])} executions for a ballot of {ballot.samples}")
    return group.ballots[ballot]


def verifications_of(group: RolloutGroup) -> tuple[str, ...]:
    """Return the policy's G answers about its own programs; UserError when it was not asked."""
    if group.verifications is None:
        raise _missing(Need.VERIFICATIONS, "Ask with rlif.rewards.self_verification.verification_prompt.")
    _check_count("verifications", len(group.verifications), group)
    return group.verifications


def _missing(signal: Signal, fix: str) -> UserError:
    return UserError(f"A reward needs {signal}, which this rollout group does not carry.", fix)


def _check_count(signal: str, count: int, group: RolloutGroup) -> None:
    if count != group.size:
        raise ValueError(f"{signal} has {count} rows for a group of {group.size} completions")
