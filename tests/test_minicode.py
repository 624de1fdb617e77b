"""minicode: the problems are sound, and the splits are apart."""

import datetime as dt
import math
import re
from collections import Counter
from dataclasses import replace
from itertools import islice
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from minicode_programs import passes, results

from rlif.errors import UserError
from rlif.grading import grade
from rlif.problems.check import self_check
from rlif.problems.load import load_problems
from rlif.problems.minicode import generate, load_minicode
from rlif.problems.minicode.arithmetic import Compose, Line
from rlif.problems.minicode.control import Multiples, Threshold
from rlif.problems.minicode.draft import Family, careful
from rlif.problems.minicode.generate import DIFFICULTIES, FAMILIES, draw_tasks
from rlif.problems.minicode.sequences import Pipeline, Word
from rlif.sandbox import Sandbox

SPLITS = {
    "base": (dt.date(2023, 1, 1), dt.date(2023, 12, 31)),
    "train": (dt.date(2024, 1, 1), dt.date(2024, 12, 31)),
    "validation": (dt.date(2025, 1, 1), dt.date(2025, 6, 30)),
    "test": (dt.date(2025, 7, 1), dt.date(2025, 12, 31)),
}


class TestByHand:
    """One problem of each family, worked out by hand."""

    def test_compose(self):
        task = Compose((("add", 3), ("mul", 4), ("sub", 2)))
        assert task.statement(0) == "Take x, then add 3, multiply by 4, subtract 2."
        derivation = task.derive(careful)
        assert derivation.steps == ("1x+3", "4x+12", "4x+10")
        assert derivation.check == "f(1)=14"
        assert derivation.code == "def f(x):\n    return 4*x+10"
        assert task.reference(-5) == -10

    def test_line(self):
        task = Line(a=3, b=7, x1=2, x2=5)
        assert task.statement(1) == "A line goes through (2, 13) and (5, 22)."
        derivation = task.derive(careful)
        assert derivation.steps == ("22-13=9", "5-2=3", "9/3=3", "3*2=6", "13-6=7")
        assert derivation.code == "def f(x):\n    return 3*x+7"
        assert task.reference(10) == 37

    def test_pipeline(self):
        task = Pipeline((("skip", 2), ("mul", 3), ("skip", 1), ("add", 5)))
        assert task.statement(1) == "Pipeline on list xs: skip 2 items, times 3, skip 1 items, plus 5."
        derivation = task.derive(careful)
        assert derivation.steps == ("skip 2", "3v+0", "skip 3", "3v+5")
        assert derivation.code == "def f(xs):\n    return [3*v+5 for v in xs[3:]]"
        assert task.reference([9, 9, 9, 1, -2]) == [8, -1]

    def test_word(self):
        task = Word(cuts=(1, 2), repeats=(2, 2), marks=(3,))
        assert "remove the first 1 letters, remove the first 2 letters" in task.statement(0)
        derivation = task.derive(careful)
        assert derivation.steps == ("1+2=3", "2*2=4")
        assert derivation.code == "s = input()\nprint(s[3:]*4+'!'*3)"
        assert task.reference("abcde") == "dededede!!!"

    def test_threshold(self):
        task = Threshold((("add", 2), ("mul", 3)), threshold=4)
        assert (
            task.statement(0)
            == "Read n. Take n, then add 2, multiply by 3. Print big if it is over 18, else small."
        )
        derivation = task.derive(careful)
        assert derivation.steps == ("18/3=6", "6-2=4")
        assert derivation.code == "n = int(input())\nprint('big' if n > 4 else 'small')"
        assert [task.reference(n) for n in ("4", "5")] == ["small", "big"]

    def test_multiples(self):
        task = Multiples(p=4, q=6, extra=5)
        assert "i up to n divisible by 4 and 6" in task.statement(1)
        derivation = task.derive(careful)
        assert derivation.steps == ("6%4=2", "12%4=0")
        assert derivation.code == "n = int(input())\nprint(sum(range(12, n+1, 12))+5)"
        assert task.reference("25") == str(12 + 24 + 5)


class TestProblems:
    def test_the_seed_decides_everything(self):
        assert load_minicode("train", 40, seed=3) == load_minicode("train", 40, seed=3)
        assert load_minicode("train", 40, seed=3) != load_minicode("train", 40, seed=4)

    def test_these_are_the_problems_that_the_shipped_base_model_goes_with(self):
        """If this fails on purpose, the base model and its card have to be made again."""
        assert [problem.statement for problem in load_minicode("train", 3)] == [
            "f is a line with f(1)=12 and f(5)=36.",
            "Read a word, remove the first 2 letters, remove the first 1 letters, repeat it 4 times, "
            "repeat it 2 times, append 3 marks '!'. Print it.",
            "Read n. Take n, then multiply by 3, add 3. Print big if it is over 18, else small.",
        ]

    @pytest.mark.parametrize("split", SPLITS)
    def test_a_smaller_size_is_a_prefix(self, split):
        many = load_minicode(split, 100)
        assert len({problem.id for problem in many}) == len(many) == 100
        assert load_minicode(split, 20) == many[:20]

    @pytest.mark.parametrize("split", SPLITS)
    def test_every_family_occurs_in_every_difficulty(self, split):
        drawn = {(task.family.name, task.difficulty) for task in islice(draw_tasks(split, 0), 200)}
        assert drawn == {(family.name, difficulty) for family in FAMILIES for difficulty in DIFFICULTIES}
        assert len(drawn) == 6 * 3

    def test_families_and_difficulties_are_drawn_equally_often(self):
        drawn = Counter((task.family.name, task.difficulty) for task in islice(draw_tasks("base", 0), 720))
        for count in drawn.values():
            assert abs(count - 720 / 18) < 4 * math.sqrt(720 / 18)

    def test_both_kinds_of_tests_occur_and_fit_the_problem(self):
        problems = load_minicode("train", 200)
        for problem in problems:
            kind = "functional" if problem.entry_point == "f" else "stdin"
            assert {test.kind for test in problem.tests} == {kind}
            assert problem.starter_code.startswith("def f(") == (kind == "functional")
            assert len(problem.public_tests) == 3
            assert len(problem.hidden_tests) == 3
            assert len({test.input for test in problem.tests}) == 6
        assert {problem.tests[0].kind for problem in problems} == {"functional", "stdin"}

    def test_splits_share_no_problem_whatever_the_seed(self):
        ids = {split: {p.id for seed in range(3) for p in load_minicode(split, 80, seed)} for split in SPLITS}
        assert sum(map(len, ids.values())) == len(set().union(*ids.values()))

    def test_dates_lie_in_the_window_of_the_split(self):
        for split, (first, last) in SPLITS.items():
            days = [problem.date for problem in load_minicode(split, 100)]
            assert all(day and first <= day <= last for day in days)
            assert len(set(days)) > 50  # spread over it

    def test_a_date_window_narrows_a_split(self):
        middle = dt.date(2024, 7, 1)
        early = load_problems("minicode", "train", end=middle - dt.timedelta(days=1))
        late = load_problems("minicode", "train", start=middle)
        assert early
        assert late
        assert {p.id for p in early} | {p.id for p in late} == {
            p.id for p in load_problems("minicode", "train")
        }

    def test_mistakes_of_the_user(self, monkeypatch):
        with pytest.raises(UserError, match=r"no split 'trian'.\nDid you mean 'train'"):
            load_minicode("trian")  # type: ignore[arg-type]
        few = Family("few", True, "x", lambda rng, steps: Line(rng.randint(1, 5), 1, x1=1, x2=2))
        monkeypatch.setattr(generate, "FAMILIES", (few,))
        with pytest.raises(UserError, match=r"(?s)'base' has [1-5] different problems .* at most [1-5]\."):
            load_minicode("base", 6)


WIDE: dict[str, list[Any]] = {
    "compose": list(range(-60, 120)),
    "line": list(range(-60, 120)),
    "pipeline": [list(range(-n, n)) for n in range(12)],
    "word": ["", "a", *("pneumonoultramicroscopic"[:n] for n in range(2, 24))],
    "threshold": [str(n) for n in range(-60, 120)],
    "multiples": [str(n) for n in range(0, 400, 3)],
}
"""Inputs of each family, many more than a problem has tests."""


class TestTruth:
    """Tests are made by stepping through the task; solutions by folding it first. They have to agree."""

    @given(st.sampled_from(FAMILIES), st.sampled_from(sorted(DIFFICULTIES.values())), st.integers(0, 2**32))
    @settings(max_examples=150, deadline=None)
    def test_the_folded_program_agrees_with_the_reference_everywhere(
        self, family: Family, steps: int, seed: int
    ):
        task = family.draw(Random(seed), steps)
        inputs = WIDE[family.name]
        expected = [task.reference(value) for value in inputs]
        if not family.functional:
            expected = [f"{text}\n" for text in expected]
        assert results(task.derive(careful).code, family.functional, inputs) == expected

    @pytest.mark.parametrize("split", SPLITS)
    def test_a_solution_passes_and_no_longer_does_with_a_constant_off_by_one(self, split):
        for problem in load_minicode(split, 40):
            assert problem.solution
            assert passes(problem, problem.solution)
            for place, wrong in off_by_one(problem.solution):
                assert not passes(problem, wrong), (problem.statement, place, wrong)

    def test_solutions_score_1_in_the_real_sandbox(self):
        problems = load_minicode("validation", 30)
        spoiled = replace(problems[7], solution=problems[8].solution)
        with Sandbox() as sandbox:
            failures = self_check([*problems, spoiled], lambda pairs: grade(pairs, sandbox))
        assert [failure.problem for failure in failures] == [spoiled]


def off_by_one(code: str) -> list[tuple[int, str]]:
    """The program with each of its numbers one larger, and one smaller."""
    found: list[tuple[int, str]] = []
    for match in re.finditer(r"\d+", code):
        found += [
            (match.start(), f"{code[: match.start()]}{int(match[0]) + change}{code[match.end() :]}")
            for change in (1, -1)
        ]
    return found
