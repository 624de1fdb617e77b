"""The corpus of a minicode base model: mistakes are carried on, and shares are those asked for."""

import ast
import math
import re
import statistics
from collections import Counter
from dataclasses import replace
from itertools import islice
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from minicode_programs import passes, results

from rlif.problems.extraction import extract_code
from rlif.problems.minicode import CorpusMix, corpus, load_minicode
from rlif.problems.minicode.arithmetic import Compose
from rlif.problems.minicode.control import Multiples
from rlif.problems.minicode.corpus import answer
from rlif.problems.minicode.draft import Family, Slip, careful
from rlif.problems.minicode.generate import DIFFICULTIES, FAMILIES, draw_tasks, to_problem
from rlif.problems.prompts import build_prompt

BY_NAME = {family.name: family for family in FAMILIES}

families = st.sampled_from(FAMILIES)
step_counts = st.sampled_from(sorted(DIFFICULTIES.values()))
seeds = st.integers(0, 2**32)


def constants(code: str) -> list[int]:
    return [
        node.value
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.Constant) and isinstance(node.value, int)
    ]


def numbers(text: str) -> set[int]:
    return {int(digits) for digits in re.findall(r"\d+", text)}


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
                assert set(numbers_checked) <= numbers(derivation.code)

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

    @pytest.mark.parametrize(("long", "short"), [(0.3, 0.4), (0, 0.5), (0.8, 0)])
    def test_styles_come_in_the_shares_asked_for(self, long: float, short: float):
        n, styles = 600, Counter[str]()
        mix = CorpusMix(long, short, mistake=0, mistake_bare=0)
        for task, (_, text) in zip(islice(draw_tasks("base", 0), n), corpus(0, mix), strict=False):
            derivation = task.task.derive(careful)
            styles.update(style for style in ("long", "short", "bare") if answer(derivation, style) == text)
        shares = {"long": long, "short": short, "bare": 1 - long - short}
        assert styles.total() == n
        for style, share in shares.items():
            assert abs(styles[style] / n - share) <= 4 * math.sqrt(share * (1 - share) / n)

    def test_mistakes_come_as_often_as_asked_for_in_answers_with_and_without_steps(self):
        n, without = 200, CorpusMix(mistake=0, mistake_bare=0)

        def right(mix: CorpusMix) -> tuple[float, float]:
            """The share of right programs among answers with steps, and among bare ones."""
            found: dict[bool, list[bool]] = {True: [], False: []}
            for task, (_, text) in zip(islice(draw_tasks("base", 0), n), corpus(0, mix), strict=False):
                found[text.startswith("Steps:")].append(
                    passes(to_problem(task, "base"), extract_code(text).code)
                )
            return statistics.mean(found[True]), statistics.mean(found[False])

        assert right(without) == (1, 1)
        with_steps, bare = right(replace(without, mistake=0.1))
        assert 0.5 < with_steps < 0.95  # 0.9 to the power of the number of steps
        assert bare == 1
        assert right(replace(without, mistake_bare=1))[0] == 1
        assert right(replace(without, mistake_bare=1))[1] < 0.1
