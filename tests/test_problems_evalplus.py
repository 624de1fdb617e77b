"""HumanEval+ and MBPP+: rows of our own in EvalPlus's format, their outputs computed, then graded."""

import ast
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from rlif.errors import UserError
from rlif.grading import VerdictStatus, grade
from rlif.problems.check import self_check
from rlif.problems.load import load_problems
from rlif.problems.reference import Reference, run_references
from rlif.problems.types import Problem, TestCase
from rlif.sandbox import Sandbox

SHIFT: dict[str, Any] = {
    "task_id": "HumanEval/900",
    "prompt": 'def shift(items, by):\n    """Rotate.\n\n    >>> shift([1, 2,3], 1)\n    [2, 3, 1]\n    """\n',
    "entry_point": "shift",
    "canonical_solution": "    print(0)\n    items += items\n    return items[by:by + len(items) // 2]\n",
    "base_input": [[[5, 6], 0], [[1, 2, 3], 1]],
    "plus_input": [[[1, 2, 3], 1], [[], 0], [["a", "b"], 1]],
    "atol": 0,
    "contract": "",
}
PAIRS: dict[str, Any] = {
    "task_id": "Mbpp/2",  # one of those whose arguments are tuples
    "prompt": '"""\nPair the items of two tuples.\nassert pairs((1, 2), (3, 4)) == ((1, 3), (2, 4))\n"""\n',
    "entry_point": "pairs",
    "canonical_solution": "\ndef pairs(a, b):\n    return tuple(zip(a, b))\n",
    "base_input": [[[1, 2], [3, 4]]],
    "plus_input": {},
    "atol": 0,
    "contract": "",
    "assertion": "assert pairs((1, 2), (3, 4)) == ((1, 3), (2, 4))",
}
HALF: dict[str, Any] = SHIFT | {
    "task_id": "HumanEval/901",
    "prompt": 'def half(x):\n    """Half of x."""\n',
    "entry_point": "half",
    "canonical_solution": "    return x / 2\n",
    "base_input": [[8.0]],
    "plus_input": [[2e6], [1e999], [3]],
}


def write(path: Path, *rows: dict[str, Any]) -> str:
    text = "".join(f"{json.dumps(row)}\n" for row in rows).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return str(path)


def load(tmp_path: Path, *rows: dict[str, Any]) -> list[Problem]:
    return load_problems(write(tmp_path / "own.jsonl", *rows))


def test_outputs_are_what_the_solution_returns(tmp_path: Path):
    [problem] = load(tmp_path, SHIFT)
    # Shown in the prompt, though with other blanks; its copy among the plus inputs is dropped.
    assert problem.public_tests == (TestCase("([1, 2, 3], 1)", "[2, 3, 1]", "literal"),)
    assert problem.hidden_tests == (
        TestCase("([5, 6], 0)", "[5, 6]", "literal"),
        TestCase("([], 0)", "[]", "literal"),
        TestCase("(['a', 'b'], 1)", "['b', 'a']", "literal"),
    )
    assert (problem.id, problem.source, problem.entry_point) == ("HumanEval/900", "humaneval+", "shift")
    assert problem.statement.startswith("Complete this Python function.\n\n```python\ndef shift(")


def test_mbpps_arguments_get_back_the_types_that_json_lacks(tmp_path: Path):
    [problem] = load(tmp_path, PAIRS)
    assert problem.source == "mbpp+"
    assert problem.tests == (TestCase("((1, 2), (3, 4))", "((1, 3), (2, 4))", "literal"),)
    assert problem.statement.startswith("Pair the items of two tuples.\nassert pairs(")
    assert problem.statement.endswith("The function is called `pairs`.")


@pytest.mark.parametrize(
    ("number", "given", "restored"),
    [
        (2, [[1], [2]], ((1,), (2,))),
        (63, [[[1, 2], [3, 4]]], ([(1, 2), (3, 4)],)),
        (75, [[[1, 2]], 3], ([(1, 2)], 3)),
        (106, [[1], [2]], ([1], (2,))),
        (250, [[1, 2], 3], ((1, 2), 3)),
        (307, [[1], 2, [3]], ((1,), 2, [3])),
        (259, [[[1], [2]], [[3]]], (((1,), (2,)), ((3,),))),
        (580, [[1, [2, [3]]]], ((1, (2, (3,))),)),
        (278, [[1, [2, 3]]], ((1, (2, 3)),)),
        (722, [{"a": [1, 2]}, 3], ({"a": (1, 2)}, 3)),
        (115, [[[1, 2], []]], ([{1, 2}, {}],)),
        (124, ["0", "1j"], (0.0, 1j)),
        (252, ["1+2j"], ((1 + 2j),)),
        (900, [[1], [2]], ([1], [2])),
    ],
)
def test_every_way_of_restoring_arguments(tmp_path: Path, number: int, given: list[Any], restored: Any):
    solution = "\ndef pairs(*arguments):\n    return arguments\n"
    row = PAIRS | {"task_id": f"Mbpp/{number}", "base_input": [given], "canonical_solution": solution}
    [problem] = load(tmp_path, row)
    assert ast.literal_eval(problem.tests[0].input) == restored
    assert problem.tests[0].output == problem.tests[0].input


def test_floats_get_evalpluss_tolerance_and_what_is_no_literal_is_left_out(tmp_path: Path):
    [problem] = load(tmp_path, HALF)
    tolerances = {test.input: test.tolerance for test in problem.tests}
    assert tolerances == pytest.approx(
        {"(8.0,)": 1e-6 + 4e-7, "(2000000.0,)": 1e-6 + 0.1, "(3,)": 1e-6 + 1.5e-7}
    )
    [loose] = load(tmp_path, HALF | {"atol": 0.5})
    assert loose.tests[0].tolerance == pytest.approx(0.5 + 4e-7)
    [pairs] = load(tmp_path, HALF | {"canonical_solution": "    return [x, 100.0]\n"})
    assert pairs.tests[0].tolerance == pytest.approx(1e-6 + 8e-7)  # of the smallest


def test_problems_that_are_not_judged_by_equality_are_left_out(tmp_path: Path):
    assert [p.id for p in load(tmp_path, SHIFT, PAIRS | {"entry_point": "similar_elements"})] == [
        "HumanEval/900"
    ]


def test_a_compressed_file_and_its_solutions_pass_in_the_sandbox(tmp_path: Path):
    problems = load_problems(write(tmp_path / "own.jsonl.gz", SHIFT, PAIRS, HALF))
    wrong = "def shift(items, by):\n    return items\n"
    with Sandbox(workers=1) as sandbox:
        assert self_check(problems, lambda pairs: grade(pairs, sandbox)) == []
        [verdict] = grade([(problems[0], wrong)], sandbox)
    assert verdict.status is VerdictStatus.WRONG_ANSWER


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            SHIFT | {"canonical_solution": "    return 1 // 0\n"},
            "'HumanEval/900': its own solution fails: ZeroDiv",
        ),
        (
            SHIFT | {"canonical_solution": "    import os; os._exit(0)\n"},
            "'HumanEval/900': .*ends the process",
        ),
        ({k: v for k, v in SHIFT.items() if k != "entry_point"}, r"own\.jsonl, line 1: has no entry_point"),
        (PAIRS | {"base_input": [[1, 2]]}, "an input is not as EvalPlus writes it"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, row: dict[str, Any], message: str):
    with pytest.raises(UserError, match=message):
        load(tmp_path, row)


def test_sets_of_strings_have_the_same_order_every_time():
    reference = Reference("a", "def f(s):\n    return list(set(s))", "f", ("('a bunch of letters',)",))
    assert run_references([reference]) == run_references([reference])
