"""rlif's rewards over a verl batch: rows in any order, grouped by id. No verl needed here.

verl shuffles a batch to balance it over GPUs, pads it, and lets group sizes vary. So rows that answer one
prompt are found by their id, never by reshaping to [prompts, G].
"""

import zlib
from collections.abc import Hashable, Sequence
from dataclasses import fields

import numpy as np
import torch
from verl_sandbox import sandbox

from rlif.errors import UserError
from rlif.grading.execution import execute
from rlif.problems.types import Problem
from rlif.rewards import Need, Reward, Scores
from rlif.rollouts import Completion, RolloutGroup, TokenStats
from rlif.token_stats import token_stats

FROM_LOGITS = ("self_certainty", "max_prob", "margin")
"""Statistics of the whole distribution, which verl's old log-probabilities and entropies do not tell."""


def batch_scores(
    reward: Reward,
    group_ids: Sequence[Hashable],
    problems: Sequence[Problem],
    completions: Sequence[Completion],
    stats: TokenStats | None = None,
    step: int = 0,
) -> Scores:
    """Return [N] scores, in the order of the rows; NaN where undefined.

    Args:
        reward: any of rlif's. Programs are run only if it needs them.
        group_ids: N ids; equal for rows that answer the same prompt.
        problems: what each row answers.
        completions: the N answers.
        stats: arrays [N, T], for certainty rewards.
        step: of training; what schedules go by.

    Raises:
        UserError: the reward needs something that is not here, or no row has a score.
    """
    signals = reward.signals()
    judged = Need.HIDDEN_TESTS in signals
    executed = None
    if judged or Need.EXECUTIONS in signals:
        executed = execute(problems, [c.code for c in completions], sandbox(), judge_all=judged)
    scores = np.full(len(group_ids), np.nan)
    for group_id, rows in rows_by_id(group_ids).items():
        group = RolloutGroup(
            problem=problems[rows[0]],
            completions=tuple(completions[i] for i in rows),
            token_stats=None if stats is None else _rows(stats, rows),
            executions=tuple(executed[i].public for i in rows) if executed else None,
            verdicts=tuple(executed[i].verdict for i in rows) if judged else None,
            seed=zlib.crc32(str(group_id).encode()),
            step=step,
        )
        scores[rows] = reward(group)
    if len(scores) and np.isnan(scores).all():
        raise UserError(
            f"{reward.type} is undefined for all {len(scores)} completions: {reward.undefined}.",
            "Is it given whole groups, and does verl compute the statistic it needs? See docs/verl.md.",
        )
    return scores


def defined(scores: Scores, group_ids: Sequence[Hashable]) -> Scores:
    """Return the scores with each NaN replaced by the mean of its group; by 0 where the whole group is NaN.

    verl has no notion of an undefined reward: one NaN makes the mean of its group NaN, then the loss. With
    the group's mean instead, the mean stays and this completion's GRPO advantage is 0, as in TRL; but it
    counts in the group's standard deviation, which shrinks.
    """
    filled = scores.copy()
    for rows in rows_by_id(group_ids).values():
        known = scores[rows][~np.isnan(scores[rows])]
        filled[rows] = np.where(np.isnan(scores[rows]), known.mean() if len(known) else 0.0, scores[rows])
    return filled


def token_stats_of(mask: torch.Tensor, temperature: float, **known: torch.Tensor) -> TokenStats:
    """Return token statistics [N, T] of which only some are known; the others are NaN.

    A reward that looks at an unknown one is NaN too, which `batch_scores` refuses.

    Args:
        mask: [N, T], True (or 1) on response tokens of the policy.
        temperature: what verl divided the logits by.
        known: [N, T] arrays by the names of `TokenStats`. verl's `old_log_probs` is logprob; its `entropy`
            is entropy; those of `FROM_LOGITS` come from `verl_engine.py`.
    """
    mask = mask.bool()
    unknown = torch.full(mask.shape, torch.nan)
    names = [field.name for field in fields(TokenStats) if field.name not in ("mask", "temperature")]
    arrays = {name: torch.where(mask, known.get(name, unknown), 0.0) for name in names}
    return TokenStats(**arrays, mask=mask, temperature=temperature)


def statistics_of_logits(
    logits: torch.Tensor, targets: torch.Tensor, temperature: float
) -> dict[str, torch.Tensor]:
    """Return what a batch of verl lacks: `FROM_LOGITS`, [N] each, of N packed tokens.

    Args:
        logits: [N, V], not yet divided by the temperature; position i is the distribution of targets[i].
        targets: [N] token ids: the inputs, shifted by one.
        temperature: positive.
    """
    stats = token_stats(logits[None], targets[None], temperature)
    return {name: getattr(stats, name)[0] for name in FROM_LOGITS}


def rows_by_id(group_ids: Sequence[Hashable]) -> dict[Hashable, list[int]]:
    """Return for each id the rows that have it, in their order."""
    groups: dict[Hashable, list[int]] = {}
    for row, group_id in enumerate(group_ids):
        groups.setdefault(group_id, []).append(row)
    return groups


def _rows(stats: TokenStats, rows: list[int]) -> TokenStats:
    arrays = {
        field.name: getattr(stats, field.name) for field in fields(stats) if field.name != "temperature"
    }
    return TokenStats(**{name: a[rows] for name, a in arrays.items()}, temperature=stats.temperature)
