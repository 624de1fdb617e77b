"""minicode: procedural Python problems, deterministic from a seed, in splits that share no problem.

Each problem is a chain of small steps whose *folded* result (a coefficient, a slice bound, a threshold) is in
the program. Doing the arithmetic on the way is easy; doing it all at once, before the first token of the
program, is hard for a small model. So writing intermediate results first truly helps.

A problem belongs to the split that the hash of its key falls into, whatever the seed: a problem of the test
split can never turn up in the training split, nor in the text that the base model was taught from.
"""

import datetime as dt
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Literal, get_args

from rlif.errors import UserError, did_you_mean
from rlif.problems.minicode.arithmetic import COMPOSE, LINE
from rlif.problems.minicode.control import MULTIPLES, THRESHOLD
from rlif.problems.minicode.draft import Family, Task, careful
from rlif.problems.minicode.sequences import PIPELINE, WORD
from rlif.problems.types import Problem, TestCase

FAMILIES: tuple[Family, ...] = (COMPOSE, LINE, PIPELINE, WORD, THRESHOLD, MULTIPLES)
DIFFICULTIES = {"easy": 2, "medium": 3, "hard": 4}
PUBLIC_TESTS = 3

Split = Literal["base", "train", "validation", "test"]

# Shares of the key space in twentieths, and the (synthetic) dates of each split: later data are held out.
_SPLITS: dict[str, tuple[range, dt.date, int]] = {
    "base": (range(8), dt.date(2023, 1, 1), 365),
    "train": (range(8, 15), dt.date(2024, 1, 1), 366),
    "validation": (range(15, 17), dt.date(2025, 1, 1), 181),
    "test": (range(17, 20), dt.date(2025, 7, 1), 184),
}


@dataclass(frozen=True, slots=True)
class DrawnTask:
    """A task with what was drawn beside it."""

    family: Family
    difficulty: str
    task: Task
    wording: int
    digest: int  # hash of family and key


def draw_tasks(split: Split, seed: int) -> Iterator[DrawnTask]:
    """Yield different tasks of one split without end, families and difficulties equally often."""
    if split not in _SPLITS:
        raise UserError(f"minicode has no split '{split}'.", did_you_mean(split, get_args(Split)))
    rng, seen, shares = Random(f"minicode-{split}-{seed}"), set[int](), _SPLITS[split][0]
    while True:
        family, (difficulty, steps) = rng.choice(FAMILIES), rng.choice(list(DIFFICULTIES.items()))
        while True:
            task = family.draw(rng, steps)
            digest = _digest(family, task)
            # A family may run out of new keys in a long stream; it then repeats rather than never returning.
            if digest % 20 in shares and (digest not in seen or rng.random() < 0.02):
                break
        seen.add(digest)
        yield DrawnTask(family, difficulty, task, rng.randrange(family.wordings), digest)


def load_minicode(split: Split = "train", size: int = 128, seed: int = 0) -> list[Problem]:
    """Return the first `size` problems of a split; a smaller size is a prefix of a larger one."""
    problems: dict[str, Problem] = {}
    stream = draw_tasks(split, seed)
    for _ in range(50 * size + 1000):
        if len(problems) == size:
            break
        problem = to_problem(next(stream), split)
        problems.setdefault(problem.id, problem)
    if len(problems) < size:
        raise UserError(
            f"minicode's split '{split}' has {len(problems)} different problems for seed {seed}, not {size}.",
            f"Ask for at most {len(problems)}.",
        )
    return list(problems.values())


def _digest(family: Family, task: Task) -> int:
    return _hash([family.name, *task.key()])


def _hash(parts: list[int | str]) -> int:
    text = json.dumps(parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def to_problem(drawn: DrawnTask, split: Split) -> Problem:
    """Write a drawn task as a `Problem`, its tests made by the task's reference."""
    family, task = drawn.family, drawn.task
    # The key decides the split; the identity is the whole task, so that equal ids have equal tests.
    identity = _hash([family.name, repr(task)])
    values = task.inputs(Random(identity))
    tests = tuple(_test(family, value, task.reference(value)) for value in values)
    _, first_day, days = _SPLITS[split]
    return Problem(
        id=f"{family.name}-{identity:016x}",
        statement=task.statement(drawn.wording),
        starter_code=f"def f({family.argument}):" if family.functional else "",
        entry_point="f" if family.functional else None,
        public_tests=tests[:PUBLIC_TESTS],
        hidden_tests=tests[PUBLIC_TESTS:],
        source="minicode",
        date=first_day + dt.timedelta(days=drawn.digest // 20 % days),
        difficulty=drawn.difficulty,
        solution=task.derive(careful).code,
        platform=family.name,
    )


def _test(family: Family, value: object, result: object) -> TestCase:
    if family.functional:
        return TestCase(json.dumps(value), json.dumps(result), "functional")
    return TestCase(f"{value}\n", f"{result}\n", "stdin")
