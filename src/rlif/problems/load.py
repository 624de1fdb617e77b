"""`load_problems`: any data set by name or path, narrowed by date and number."""

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from rlif.errors import UserError, did_you_mean
from rlif.problems.humaneval import load_humaneval
from rlif.problems.jsonl import load_jsonl
from rlif.problems.minicode.generate import Split, load_minicode
from rlif.problems.prompts import PromptStyle
from rlif.problems.types import Problem

NAMES = ("minicode", "humaneval")
MINICODE_SIZE = 128
"""minicode has no end: this many problems when no other number is asked for."""


def default_style(name: str) -> PromptStyle:
    """Return the prompt style of a data set when none is asked for.

    minicode and HumanEval state a task as models expect to see it ("bare"); LiveCodeBench's statements say
    nothing of how to answer ("rlif").
    """
    return "bare" if name in NAMES else "rlif"


def load_problems(
    name: str,
    split: str | None = None,
    limit: int | None = None,
    start: dt.date | None = None,
    end: dt.date | None = None,
    seed: int = 0,
) -> list[Problem]:
    """Return the problems of a data set, in its order.

    Args:
        name: "minicode", "humaneval", or the path of a .jsonl file in LiveCodeBench's row format.
        split: part of the data set, where it has parts (minicode: "train", "validation", "test";
            humaneval: "train", "test").
        limit: at most this many, the first ones within the dates.
        start: first date; with a window, problems without a date are left out.
        end: last date, itself included.
        seed: of procedural data sets.

    Raises:
        UserError: no such data set, a split it does not have, or nothing left.
    """
    if limit is not None and limit < 1:
        raise UserError(f"limit must be at least 1; got {limit}.")
    problems = _read(name, split, max(limit or 0, MINICODE_SIZE), seed)
    if not problems:
        raise UserError(f"'{name}' holds no problems.")
    inside = [problem for problem in problems if _within(problem.date, start, end)]
    if not inside:
        window = f"{start or 'the beginning'} to {end or 'the end'}"
        raise UserError(f"'{name}' has no problem dated {window}.", _available_dates(problems))
    return inside[:limit]


def _read(name: str, split: str | None, size: int, seed: int) -> Sequence[Problem]:
    if name == "minicode":
        return load_minicode(cast(Split, split or "train"), size, seed)  # names the splits if it is none
    if name == "humaneval":
        return load_humaneval(split)
    if split is not None:
        raise UserError(f"'{name}' has no splits; got split '{split}'.", "Leave split out.")
    if Path(name).suffix == ".jsonl":
        return load_jsonl(name)
    raise UserError(
        f"There is no data set '{name}'.", f"{did_you_mean(name, NAMES)} Or give the path of a .jsonl file."
    )


def _within(date: dt.date | None, start: dt.date | None, end: dt.date | None) -> bool:
    if start is None and end is None:
        return True
    return date is not None and (start is None or start <= date) and (end is None or date <= end)


def _available_dates(problems: Sequence[Problem]) -> str:
    dates = sorted(problem.date for problem in problems if problem.date is not None)
    if not dates:
        return "Its problems have no dates: leave start and end out."
    return f"Its {len(dates)} dated problems run from {dates[0]} to {dates[-1]}."
