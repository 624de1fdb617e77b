"""The prompts of a stage, laid out in the order they are trained on."""

from collections.abc import Sequence

import numpy as np
from datasets import Dataset

from rlif.problems.prompts import PromptStyle, build_prompt
from rlif.problems.types import Problem


def prompt_schedule(problems: int, count: int, seed: int) -> list[int]:
    """Return `count` problem indices: as many whole shuffles of all problems as needed, the last one cut."""
    rng = np.random.default_rng(seed)
    rounds = -(-count // problems)
    return [int(i) for _ in range(rounds) for i in rng.permutation(problems)][:count]


def stage_dataset(
    problems: Sequence[Problem], style: PromptStyle, chat: bool, steps: int, prompts_per_step: int, seed: int
) -> Dataset:
    """Return a data set whose row i is the i-th prompt trained on.

    One pass over it is the whole stage, so that a resumed run only has to skip rows. (With several epochs it
    would have to repeat the shuffles of the sampler, whose state is in no checkpoint.)
    """
    order = prompt_schedule(len(problems), steps * prompts_per_step, seed)
    return Dataset.from_list(
        [{"prompt": build_prompt(problems[i], style, chat), "problem_id": problems[i].id} for i in order]
    )
