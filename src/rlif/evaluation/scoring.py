"""Rewards of drawn samples: what training on them would prefer, before any training.

A problem's samples form the group that a reward judges, just as in training. Certainty comes from a forward
pass over the finished samples, agreement from running the programs on the public inputs.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from rlif.errors import UserError
from rlif.grading.execution import execute
from rlif.problems.prompts import Prompt
from rlif.problems.types import Problem
from rlif.rewards import (
    FunctionalMajority,
    Length,
    MeanProbability,
    Need,
    ProbabilityMargin,
    Reward,
    SelfCertainty,
    SemanticEntropy,
    TokenEntropy,
    TrajectoryLogprob,
)
from rlif.rewards.base import Scores
from rlif.rollouts import Completion, RolloutGroup, TokenStats
from rlif.sandbox import Sandbox

TokenScorer = Callable[[Prompt, Sequence[Completion]], TokenStats]
"""Gives the token statistics [G, T] of a prompt's completions."""

USUAL: tuple[Reward, ...] = (
    SelfCertainty(),
    TokenEntropy(),
    TrajectoryLogprob(),
    TrajectoryLogprob(length_normalised=True),
    MeanProbability(),
    ProbabilityMargin(),
    FunctionalMajority(),
    SemanticEntropy(),
    Length(),  # the control: a certainty that is no better than "the shortest" says little
)
"""Scored when nothing else is asked for."""

_POSSIBLE = {Need.TOKEN_STATS, Need.EXECUTIONS}


def label(reward: Reward) -> str:
    """Return a reward's type with the options that are not default, `length(prefer=longer)`."""
    options = reward.model_dump(exclude_defaults=True, exclude={"type", "weight"})
    words = [name if value is True else f"{name}={value}" for name, value in options.items()]
    return f"{reward.type}({', '.join(words)})" if words else str(reward.type)


def scorable(rewards: Sequence[Reward], with_model: bool) -> tuple[Reward, ...]:
    """Return the rewards that can be had without a model in this process, or all of them with one.

    Raises:
        UserError: a reward that needs more than samples, their token statistics and their programs.
    """
    for reward in rewards:
        if beyond := reward.signals() - _POSSIBLE:
            needs = ", ".join(sorted(map(str, beyond)))
            raise UserError(
                f"Samples cannot be scored by '{label(reward)}': it needs {needs}.",
                f"Scores that can be had: {', '.join(label(usual) for usual in USUAL)}.",
            )
    return tuple(r for r in rewards if with_model or Need.TOKEN_STATS not in r.signals())


def score_samples(
    groups: Mapping[int, Sequence[Completion]],
    problems: Sequence[Problem],
    prompts: Sequence[Prompt],
    rewards: Sequence[Reward],
    sandbox: Sandbox,
    token_scorer: TokenScorer | None,
) -> Iterator[tuple[int, dict[str, Scores]]]:
    """Yield (index of the problem, label -> [G] scores), one problem at a time.

    Args:
        groups: the samples of each problem, by its index.
        problems: what was asked.
        prompts: as they were asked.
        rewards: from `scorable`.
        sandbox: where programs run; entered.
        token_scorer: needed by rewards that need token statistics.
    """
    needs = frozenset[object]().union(*(reward.signals() for reward in rewards))
    for index, completions in groups.items():
        codes = [completion.code for completion in completions]
        runs = [problems[index]] * len(codes)
        group = RolloutGroup(
            problem=problems[index],
            completions=tuple(completions),
            token_stats=token_scorer(prompts[index], completions)
            if token_scorer and Need.TOKEN_STATS in needs
            else None,
            executions=tuple(done.public for done in execute(runs, codes, sandbox, judge_all=False))
            if Need.EXECUTIONS in needs
            else None,
        )
        yield index, {label(reward): np.asarray(reward(group), dtype=float) for reward in rewards}
