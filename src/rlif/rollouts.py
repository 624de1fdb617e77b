"""`Completion`, `TokenStats`, `RolloutGroup`: all completions of one prompt, and what is known of them.

A reward sees one `RolloutGroup` and nothing else. Nothing here imports torch; arrays may be numpy or torch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from rlif.grading.types import Verdict
from rlif.problems.types import Problem
from rlif.sandbox.types import Execution

if TYPE_CHECKING:
    import torch

    Array = np.ndarray[Any, Any] | torch.Tensor


@dataclass(frozen=True, slots=True)
class Completion:
    """One sampled answer.

    Attributes:
        text: decoded without special tokens, up to the stop string if one ended it.
        token_ids: up to and including what ended it, EOS or stop string; no padding. Empty when only the text
            is known, as from a server.
        code: the program taken from the text; "" when there is none.
        finished: ended with EOS or a stop string; False means it was cut at the length limit.
        code_start: index of the first token of the program (its opening fence included); without token ids,
            of its first character. None when no program was found. What comes before it is reasoning.
        length: number of tokens as a server counted them, where the ids are unknown.
    """

    text: str
    token_ids: tuple[int, ...]
    code: str
    finished: bool
    code_start: int | None = None
    length: int | None = None

    @property
    def tokens(self) -> float:
        """Number of tokens; NaN when there is text, but neither its ids nor a count."""
        if self.length is not None:
            return self.length
        return math.nan if self.text and not self.token_ids else len(self.token_ids)

    @property
    def reasoning_tokens(self) -> float:
        """Number of tokens before the program (0 without one: nothing was reasoned towards).

        NaN where only the text is known: characters say what share was reasoning, not how many tokens.
        """
        return math.nan if self.code_start and not self.token_ids else self.code_start or 0

    @property
    def reasoning_share(self) -> float:
        """Tokens before the program / all tokens; characters / characters where only the text is known.

        0 without a program, NaN for an empty completion.
        """
        size = len(self.token_ids) or len(self.text)
        return (self.code_start or 0) / size if size else math.nan


@dataclass(frozen=True, slots=True)
class TokenStats:
    """Statistics of the distribution each token was drawn from; arrays [G, T], natural logarithms.

    Attributes:
        logprob: log p(y_t).
        entropy: H(p_t) = −Σ_v p_t(v) log p_t(v).
        self_certainty: KL(U‖p_t) = logsumexp(z_t) − mean(z_t) − log V (Intuitor, arXiv 2505.19590, with the
            −log V that its code leaves out).
        max_prob: max_v p_t(v).
        margin: largest minus second-largest probability.
        mask: True on completion tokens up to and including EOS; the other arrays are 0 where it is False.
        temperature: the logits were divided by it first.
    """

    logprob: Array
    entropy: Array
    self_certainty: Array
    max_prob: Array
    margin: Array
    mask: Array
    temperature: float = 1.0

    def rows(self, start: int, stop: int) -> TokenStats:
        """Return the statistics of rows start…stop−1 (one group of a batch)."""
        return self._map(lambda a: a[start:stop])

    def numpy(self) -> TokenStats:
        """Return the same statistics as numpy arrays on the host."""
        return self._map(lambda a: a if isinstance(a, np.ndarray) else a.detach().cpu().numpy())

    def _map(self, f: Any) -> TokenStats:
        arrays = {x.name: f(getattr(self, x.name)) for x in fields(self) if x.name != "temperature"}
        return TokenStats(**arrays, temperature=self.temperature)


class Scorer(StrEnum):
    """Whose distributions the sampled tokens are looked up in."""

    POLICY = "policy"  # the policy that sampled them, before the update of this step
    INITIAL = "initial"  # the policy as it was before the first step, frozen
    EMA = "ema"  # an exponential moving average of the policy's weights


StatsTemperature = Literal["run", "model", "sampling"]
"""What the logits are divided by: the run's own setting, 1, or the temperature of the sampling."""


@dataclass(frozen=True, slots=True)
class Scoring:
    """Token statistics that are not the run's usual ones: by whom, and at which temperature."""

    scorer: Scorer = Scorer.POLICY
    temperature: StatsTemperature = "run"

    def __str__(self) -> str:
        return f"token_stats by the {self.scorer.value} model at the {self.temperature} temperature"


class Voters(StrEnum):
    """Who answers a prompt beside the group, to be voted with but not trained on."""

    POLICY = "policy"  # more samples of the policy
    EMA = "ema"  # samples of an exponential moving average of the policy: the teacher
    REPHRASED = "rephrased"  # samples of the policy, asked the same problem in other words


@dataclass(frozen=True, slots=True)
class Ballot:
    """What the programs of so many other answers do on the public inputs of the group's problem."""

    voters: Voters
    samples: int

    def __str__(self) -> str:
        return f"the programs of {self.samples} more samples ({self.voters.value}), run on the public inputs"


@dataclass(frozen=True, slots=True)
class RolloutGroup:
    """All G completions of one prompt, and the signals that the active rewards need.

    Attributes:
        problem: what was asked.
        completions: the G answers, in the order the trainer holds them.
        token_stats: arrays [G, T] on the host, or None when no active reward needs them.
        executions: what each program did on the *public* test inputs, or None when nobody ran them.
        verdicts: each program judged on all tests, or None when nobody judged.
        seed: identifies run, step and group; the only randomness a reward may use.
        step: updates made so far in this stage; what schedules go by.
        scored: further token statistics [G, T], by other models or at other temperatures.
        ballots: executions of answers that are voted with but not in the group.
        verifications: the policy's answer to being asked whether completion i is right, one for each.
    """

    problem: Problem
    completions: tuple[Completion, ...]
    token_stats: TokenStats | None = None
    executions: tuple[Execution, ...] | None = None
    verdicts: tuple[Verdict, ...] | None = None
    seed: int = 0
    step: int = 0
    scored: Mapping[Scoring, TokenStats] = field(default_factory=dict[Scoring, TokenStats])
    ballots: Mapping[Ballot, tuple[Execution, ...]] = field(
        default_factory=dict[Ballot, tuple[Execution, ...]]
    )
    verifications: tuple[str, ...] | None = None

    @property
    def size(self) -> int:
        """G, the number of completions."""
        return len(self.completions)
