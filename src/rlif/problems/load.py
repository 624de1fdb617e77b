"""`load_problems`: any data set by name or path, narrowed by date, platform, difficulty and number."""

import datetime as dt
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import cast

from rlif.errors import UserError, did_you_mean
from rlif.problems import livecodebench
from rlif.problems.describe import describe
from rlif.problems.evalplus import is_evalplus, load_evalplus
from rlif.problems.humaneval import load_humaneval
from rlif.problems.jsonl import load_files
from rlif.problems.minicode.generate import Split, load_minicode
from rlif.problems.prompts import PromptStyle
from rlif.problems.types import Problem

NAMES = ("minicode", "humaneval", "livecodebench")
MINICODE_SIZE = 128
"""minicode has no end: this many problems when no other number is asked for."""


def default_style(name: str) -> PromptStyle:
    """Return the prompt style of a data set when none is asked for.

    minicode and HumanEval state a task as models expect to see it ("bare"); LiveCodeBench's statements say
    nothing of how to answer ("rlif").
    """
    return "bare" if name in ("minicode", "humaneval") else "rlif"


def load_problems(
    name: str,
    split: str | None = None,
    limit: int | None = None,
    start: dt.date | None = None,
    end: dt.date | None = None,
    seed: int = 0,
    platform: Collection[str] = (),
    difficulty: Collection[str] = (),
) -> list[Problem]:
    """Return the problems of a data set, in its order.

    Args:
        name: "minicode", "humaneval", "livecodebench" (from the hub), or a path: a .jsonl file in
            LiveCodeBench's row format or EvalPlus's, or a folder of the former.
        split: part of the data set, where it has parts. minicode: "train", "validation", "test"; humaneval:
            "train", "test"; LiveCodeBench and folders of its files: the release, see
            `rlif.problems.livecodebench`. "livecodebench/release_v5" is short for the name with that split.
        limit: at most this many, the first ones that are left.
        start: first date; with a window, problems without a date are left out.
        end: last date. As LiveCodeBench counts, the window ends at 00:00 of that day: problems published
            later that day, where a data set tells the time, are outside.
        seed: of procedural data sets.
        platform: only problems of these platforms; empty for all.
        difficulty: only problems of these difficulties; empty for all.

    Raises:
        UserError: no such data set, a split it does not have, or nothing left.
    """
    if limit is not None and limit < 1:
        raise UserError(f"limit must be at least 1; got {limit}.")
    problems = _read(name, split, max(limit or 0, MINICODE_SIZE), seed)
    if not problems:
        raise UserError(f"'{name}' holds no problems.")
    facts = describe(problems)
    _check_known("platform", platform, facts.platforms)
    _check_known("difficulty", difficulty, facts.difficulties)
    inside = [problem for problem in problems if _within(problem, start, end)]
    if not inside:
        window = f"{start or 'the beginning'} to {end or 'the end'}"
        raise UserError(f"'{name}' has no problem dated {window}.", _available_dates(problems))
    chosen = [
        problem
        for problem in inside
        if (not platform or problem.platform in platform)
        and (not difficulty or problem.difficulty in difficulty)
    ]
    if not chosen:
        wanted = " and ".join(", ".join(words) for words in (platform, difficulty) if words)
        raise UserError(f"None of {describe(inside).headline} of '{name}' is {wanted}.")
    return chosen[:limit]


def problem_files(name: str, split: str | None = None) -> list[Path]:
    """Return the files in LiveCodeBench's row format that a data set is read from; none for the others.

    Raises:
        UserError: as `load_problems`.
    """
    if _is_livecodebench(name):
        release = name.partition("/")[2]
        if release and split:
            raise UserError(f"'{name}' names a release; got split '{split}' too.", "Leave one of them out.")
        return livecodebench.from_hub(release or split or livecodebench.LATEST)
    path = Path(name)
    if path.is_dir() and name not in NAMES:
        if split is not None:
            return livecodebench.from_folder(path, split)
        if files := sorted(path.glob("*.jsonl")):
            return files
        raise UserError(f"The folder '{name}' holds no .jsonl file.")
    if path.suffix == ".jsonl" and not is_evalplus(path):
        _no_splits(name, split)
        return [path]
    return []


def _read(name: str, split: str | None, size: int, seed: int) -> Sequence[Problem]:
    if name == "minicode":
        return load_minicode(cast(Split, split or "train"), size, seed)  # names the splits if it is none
    if name == "humaneval":
        return load_humaneval(split)
    if files := problem_files(name, split):
        is_release = _is_livecodebench(name) or split is not None
        return load_files(files, "livecodebench" if is_release else Path(name).stem)
    if name.endswith((".jsonl", ".jsonl.gz")):
        _no_splits(name, split)
        return load_evalplus(Path(name))
    raise UserError(
        f"There is no data set '{name}'.",
        f"{did_you_mean(name, NAMES)} Or give the path of a .jsonl file, or of a folder of them.",
    )


def _is_livecodebench(name: str) -> bool:
    return name.partition("/")[0] == "livecodebench"


def _no_splits(name: str, split: str | None) -> None:
    if split is not None:
        raise UserError(f"'{name}' has no splits; got split '{split}'.", "Leave split out.")


def _check_known(what: str, wanted: Collection[str], known: Collection[str]) -> None:
    for word in wanted:
        if word not in known:
            named = sorted(filter(None, known))
            fix = did_you_mean(word, named) if named else f"Its problems have no {what}: leave it out."
            raise UserError(f"There is no {what} '{word}' among the problems.", fix)


def _within(problem: Problem, start: dt.date | None, end: dt.date | None) -> bool:
    if start is None and end is None:
        return True
    if problem.date is None or (start is not None and problem.date < start):
        return False
    return end is None or (problem.date, problem.time) <= (end, dt.time.min)


def _available_dates(problems: Sequence[Problem]) -> str:
    dates = sorted(problem.date for problem in problems if problem.date is not None)
    if not dates:
        return "Its problems have no dates: leave start and end out."
    return f"Its {len(dates)} dated problems run from {dates[0]} to {dates[-1]}."
