"""verl's `custom_reward_function`: `compute_score` for one answer, `compute_scores` for a batch.

    reward.custom_reward_function.path=examples/verl_reward.py

verl 0.9 scores each answer on its own, in whichever of its reward workers is free, as soon as it is
finished. So `compute_score` can judge by tests; a consensus needs the whole group, which is seen by
`compute_scores` (verl's batch reward manager, in versions whose trainer uses it) and by `verl_trainer.py`.

Rows are those that `verl_data.py` writes: `data_source` names the data set, `extra_info` the problem in it.
"""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from verl_scores import batch_scores, defined

from rlif.errors import UserError
from rlif.problems.extraction import extract_code
from rlif.problems.load import load_problems
from rlif.problems.types import Problem
from rlif.rewards import parse_reward
from rlif.rollouts import Completion


def compute_score(
    data_source: str,
    solution_str: str,
    ground_truth: Any,
    extra_info: Mapping[str, Any],
    reward: str = "unit_tests",
) -> float:
    """Return the score of one answer. ground_truth is not used: the tests are the problem's own.

    Raises:
        UserError: the score is undefined for an answer alone, or an unknown problem.
    """
    completions, problems = [completion_of(solution_str)], [problem_of(data_source, extra_info)]
    return float(batch_scores(parse_reward(reward), [0], problems, completions)[0])


def no_score(**row: Any) -> float:
    """Return 0: for prompts without tests, when `verl_trainer.py` replaces the scores in training."""
    return 0.0


def compute_scores(
    data_sources: Sequence[str],
    solution_strs: Sequence[str],
    ground_truths: Sequence[Any],
    extra_infos: Sequence[Mapping[str, Any]],
    reward: str = "functional_majority",
) -> list[float]:
    """Return the scores of a batch, in its order; `verl_scores.defined` says what stands for NaN.

    Answers to one problem form a group, also where a batch holds the problem twice.
    """
    problems = [problem_of(*row) for row in zip(data_sources, extra_infos, strict=True)]
    group_ids = [(problem.source, problem.id) for problem in problems]
    completions = [completion_of(text) for text in solution_strs]
    return defined(batch_scores(parse_reward(reward), group_ids, problems, completions), group_ids).tolist()


def problem_of(data_source: str, extra_info: Mapping[str, Any]) -> Problem:
    """Return the problem a row is about."""
    split, problem_id = extra_info.get("split"), extra_info["problem_id"]
    known = _problems(data_source, split)
    if problem_id not in known:
        raise UserError(
            f"'{data_source}' (split {split}) has no problem '{problem_id}'.",
            "Write the rows with examples/verl_data.py, from the same data set.",
        )
    return known[problem_id]


def completion_of(text: str) -> Completion:
    """Return an answer of which only the text is known."""
    return Completion(text=text, token_ids=(), code=extract_code(text).code, finished=True)


@functools.cache
def _problems(name: str, split: str | None) -> dict[str, Problem]:
    return {problem.id: problem for problem in load_problems(name, split)}
