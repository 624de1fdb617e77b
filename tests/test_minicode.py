"""minicode: the problems are sound, the splits are apart, and the corpus says what it is asked to say."""

import ast
import contextlib
import datetime as dt
import io
import json
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

from rlif.errors import UserError
from rlif.grading import grade
from rlif.problems.check import self_check
from rlif.problems.extraction import extract_code
from rlif.problems.load import load_problems
from rlif.problems.minicode import CorpusMix, corpus, generate, load_minicode
from rlif.problems.minicode.arithmetic import Compose, Line
from rlif.problems.minicode.control import Multiples, Threshold
from rlif.problems.minicode.corpus import answer
from rlif.problems.minicode.draft import Family, Slip, careful
from rlif.problems.minicode.generate import DIFFICULTIES, FAMILIES, draw_tasks, to_problem
from rlif.problems.minicode.sequences import Pipeline, Word
from rlif.problems.prompts import build_prompt
from rlif.problems.types import Problem
from rlif.sandbox import Sandbox

SPLITS = {
    "base": (dt.date(2023, 1, 1), dt.date(2023, 12, 31)),
    "train": (dt.date(2024, 1, 1), dt.date(2024, 12, 31)),
    "validation": (dt.date(2025, 1, 1), dt.date(2025, 6, 30)),
    "test": (dt.date(2025, 7, 1), dt.date(2025, 12, 31)),
}
BY_NAME = {family.name: family for family in FAMILIES}

families = st.sampled_from(FAMILIES)
step_counts = st.sampled_from(sorted(DIFFICULTIES.values()))
seeds = st.integers(0, 2**32)


def results(code: str, functional: bool, inputs: list[Any]) -> list[Any]:
    """What our own small program returns, or prints, for each input; the exception's type if it raises."""
    found: list[Any] = []
    for value in inputs:
        printed = io.StringIO()
        namespace: dict[str, Any] = {"input": lambda value=value: value}
        try:
            with contextlib.redirect_stdout(printed):
                exec(code, namespace)
                found.append(namespace["f"](value) if functional else printed.getvalue())
        except Exception as error:
            found.append(type(error))
    return found


def passes(problem: Problem, code: str) -> bool:
    functional = problem.entry_point is not None
    read = json.loads if functional else lambda text: text.rstrip("\n")
    expected = [json.loads(test.output) if functional else test.output for test in problem.tests]
    return results(code, functional, [read(test.input) for test in problem.tests]) == expected


def constants(code: str) -> list[int]:
    return [
        node.value
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.Constant) and isinstance(node.value, int)
    ]


def numbers(text: str) -> set[int]:
    return {int(digits) for digits in re.findall(r"\d+", text)}


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
        assert drawn == {(family, difficulty) for family in BY_NAME for difficulty in DIFFICULTIES}
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
            assert len(problem.hidden_tests) == 5
            assert len({test.input for test in problem.tests}) == 8
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

    @given(families, step_counts, seeds)
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


def slip_at(call: int, change: int) -> Slip:
    """An author who is wrong by `change` in one intermediate result, the call-th, and careful otherwise."""
    calls = iter(range(1000))
    return lambda value: value + change if next(calls) == call else value


class TestMistakes:
    """A wrong intermediate result is carried on: what follows is right, given what was written before."""

    def test_by_hand(self):
        task = Compose((("add", 3), ("mul", 4), ("sub", 2)))
        derivation = task.derive(slip_at(0, 2))  # 3, taken for 5
        assert derivation.steps == ("1x+5", "4x+20", "4x+18")
        assert derivation.check == "f(1)=22"
        assert derivation.code == "def f(x):\n    return 4*x+18"

    def test_a_missed_multiple_is_believed_to_be_one(self):
        derivation = Multiples(p=4, q=6, extra=5).derive(slip_at(0, -1))
        assert derivation.steps == ("6%4=2", "11%4=0")
        assert derivation.check == "step 11"
        assert derivation.code == "n = int(input())\nprint(sum(range(11, n+1, 11))+5)"

    @given(families, step_counts, seeds, st.integers(0, 4), st.sampled_from([-2, -1, 1, 2]))
    @settings(deadline=None)
    def test_the_program_says_what_the_steps_say(
        self, family: Family, steps: int, seed: int, call: int, change: int
    ):
        task = family.draw(Random(seed), steps)
        derivation = task.derive(slip_at(call, change))
        told = numbers(" ".join(derivation.steps)) | numbers(task.statement(0))
        assert {abs(number) for number in constants(derivation.code)} <= told | {0, 1}

    @given(families, step_counts, seeds, st.integers(0, 4), st.sampled_from([-2, -1, 1, 2]))
    @settings(deadline=None)
    def test_the_check_says_what_the_program_does(
        self, family: Family, steps: int, seed: int, call: int, change: int
    ):
        derivation = family.draw(Random(seed), steps).derive(slip_at(call, change))
        numbers_checked = [int(number) for number in re.findall(r"-?\d+", derivation.check)]
        match family.name:
            case "compose" | "line":
                argument, value = numbers_checked
                assert results(derivation.code, True, [argument]) == [value]
            case "pipeline":
                _, value = numbers_checked
                assert results(derivation.code, True, [[1] * 20])[0][0] == value
            case "threshold":
                [limit] = numbers_checked
                assert results(derivation.code, False, [str(limit), str(limit + 1)]) == ["small\n", "big\n"]
            case _:  # "cut 3, times 4, marks 5" or "step 12"
                assert (
                    numbers_checked
                    == [n for n in constants(derivation.code) if n != 1][: len(numbers_checked)]
                )

    @given(st.sampled_from(["line", "word", "threshold"]), step_counts, seeds, st.integers(0, 4))
    @settings(deadline=None)
    def test_one_equation_is_wrong_and_the_others_hold(self, name: str, steps: int, seed: int, call: int):
        task = BY_NAME[name].draw(Random(seed), steps)
        wrong = [equation for equation in task.derive(slip_at(call, 1)).steps if not holds(equation)]
        slips = count_slips(task.derive)
        assert len(wrong) == (1 if call < slips else 0)
        assert all(map(holds, task.derive(careful).steps))


def holds(equation: str) -> bool:
    left, right = equation.split("=")
    return eval(left.replace("/", "//")) == int(right)


def count_slips(derive: Any) -> int:
    calls: list[int] = []
    derive(lambda value: calls.append(value) or value)
    return len(calls)


class TestCorpus:
    def test_the_seed_decides_everything(self):
        assert list(islice(corpus(1, CorpusMix()), 30)) == list(islice(corpus(1, CorpusMix()), 30))
        assert list(islice(corpus(1, CorpusMix()), 30)) != list(islice(corpus(2, CorpusMix()), 30))

    def test_it_teaches_problems_of_the_base_split_only(self):
        drawn = list(islice(draw_tasks("base", 5), 200))
        taught = [build_prompt(to_problem(task, "base"), "bare", chat=True) for task in drawn]
        assert [prompt for prompt, _ in islice(corpus(5, CorpusMix()), 200)] == taught
        held_out = {p.id for split in ("train", "validation", "test") for p in load_minicode(split, 150)}
        assert not held_out & {to_problem(task, "base").id for task in drawn}

    def test_an_answer_in_each_style(self):
        derivation = Compose((("add", 3), ("mul", 2))).derive(careful)
        program = "```python\ndef f(x):\n    return 2*x+6\n```"
        assert answer(derivation, "bare") == program
        assert answer(derivation, "short") == f"Steps:\n1x+3\n2x+6\n{program}"
        assert answer(derivation, "long") == f"Steps:\n1x+3\n2x+6\nf(1)=8\n{program}"
        assert extract_code(answer(derivation, "long")).code == derivation.code

    @pytest.mark.parametrize("mix", [CorpusMix(0.3, 0.4, 0), CorpusMix(0, 0.5, 0), CorpusMix(0.8, 0, 0)])
    def test_styles_come_in_the_shares_asked_for(self, mix: CorpusMix):
        n, styles = 600, Counter[str]()
        for task, (_, text) in zip(islice(draw_tasks("base", 0), n), corpus(0, mix), strict=False):
            derivation = task.task.derive(careful)
            styles.update(style for style in ("long", "short", "bare") if answer(derivation, style) == text)
        shares = {"long": mix.long, "short": mix.short, "bare": 1 - mix.long - mix.short}
        assert styles.total() == n
        for style, share in shares.items():
            assert abs(styles[style] / n - share) <= 4 * math.sqrt(share * (1 - share) / n)

    def test_without_mistakes_every_program_is_right_and_with_nothing_else_hardly_any(self):
        def right(mistake: float) -> float:
            tasks, texts = islice(draw_tasks("base", 0), 150), corpus(0, CorpusMix(mistake=mistake))
            return (
                sum(
                    passes(to_problem(task, "base"), extract_code(text).code)
                    for task, (_, text) in zip(tasks, texts, strict=False)
                )
                / 150
            )

        assert right(0.0) == 1
        assert 0.5 < right(0.1) < 0.95
        assert right(1.0) < 0.1
