"""HumanEval+ and MBPP+ (EvalPlus: Liu et al. 2023, arXiv 2305.01210), from their files.

`HumanEvalPlus.jsonl` and `MbppPlus.jsonl`, or either with .gz, as EvalPlus publishes them. A row holds a
solution and inputs, but no expected outputs: those are what the solution returns, so it is run here once for
each input (`rlif.problems.reference`). It is not confined: load files that come from EvalPlus.

What differs from EvalPlus's own checker:

- Problems that it judges by something other than equality are left out (`OTHER_CHECKS`): one of HumanEval+,
  15 of MBPP+.
- Numbers: EvalPlus allows |out − expected| ≤ atol + 1e-7·|expected|, with atol = 1e-6 where a row has none
  and the result is a float or consists of floats. Here a test has one absolute tolerance: that of its
  smallest number, so for results of several floats it is never wider than theirs.
- Inputs that are no literal, or whose result is none (NaN, infinity, an object), are left out.
- Time and memory are the sandbox's; EvalPlus's time limit depends on how long the solution takes.
"""

import ast
import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rlif.errors import UserError
from rlif.problems.mbpp_arguments import restore_arguments
from rlif.problems.reference import Reference, literal_of, run_references
from rlif.problems.types import Problem, TestCase

OTHER_CHECKS = {
    "humaneval+": {"find_zero"},  # any zero of a polynomial
    "mbpp+": {
        # the same elements in any order, any number of times
        *("similar_elements", "find_char_long", "common_in_nested_lists", "extract_singly", "larg_nnum"),
        *("intersection_array", "find_dissimilar", "Diff"),
        # whether anything is returned
        *("check_str", "text_match_three", "text_starta_endb"),
        # a second answer counts as right, or every one
        *("are_equivalent", "sum_div", "surface_Area", "digit_distance_nums"),
    },
}
FLOAT_TOLERANCE, RELATIVE_TOLERANCE = 1e-6, 1e-7


def is_evalplus(path: Path) -> bool:
    """Tell from its first row whether a file is in EvalPlus's format; False if it cannot be read."""
    try:
        with _open(path) as file:
            return b'"base_input"' in file.readline()
    except OSError:
        return False


def load_evalplus(path: Path) -> list[Problem]:
    """Return the problems of a file, in its order, except `OTHER_CHECKS`.

    Public tests are the base inputs (HumanEval's or MBPP's own) that the prompt shows as calls; without one,
    the first base input. The other base inputs and EvalPlus's are hidden. Expected outputs are computed each
    time, in a process of their own.

    Raises:
        UserError: the file is not in EvalPlus's format, or a solution fails on its own inputs.
    """
    rows = [row for row in _rows(path) if row["entry_point"] not in OTHER_CHECKS[_source(row)]]
    try:
        inputs = [
            [literal_of(restore_arguments(row["task_id"], given)) for given in _inputs(row)] for row in rows
        ]
    except (TypeError, ValueError, AttributeError) as error:
        raise UserError(f"'{path}': an input is not as EvalPlus writes it: {error}.") from error
    references = [
        Reference(row["task_id"], _solution(row), row["entry_point"], tuple(filter(None, given)))
        for row, given in zip(rows, inputs, strict=True)
    ]
    outputs = run_references(references)
    return [_problem(*each) for each in zip(rows, references, outputs, strict=True)]


def _open(path: Path) -> Any:
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    kinds = {"task_id": str, "prompt": str, "entry_point": str, "canonical_solution": str, "base_input": list}
    try:
        with _open(path) as file:
            for number, line in enumerate(file, start=1):
                if line.isspace():
                    continue
                row = json.loads(line)
                for key, kind in kinds.items():
                    if not isinstance(row, dict) or not isinstance(row.get(key), kind):
                        reason = f"has no {key} that is a {kind.__name__}"
                        raise UserError(
                            f"{path}, line {number}: {reason}.",
                            "EvalPlus's rows have one; files of another format must not be compressed.",
                        )
                yield row
    except (OSError, EOFError, ValueError) as error:
        raise UserError(f"Cannot read the problems file '{path}': {error}.") from error


def _source(row: dict[str, Any]) -> str:
    return "mbpp+" if row["task_id"].startswith("Mbpp/") else "humaneval+"


def _solution(row: dict[str, Any]) -> str:
    return f"{row['prompt']}{row['canonical_solution']}"


def _inputs(row: dict[str, Any]) -> list[list[Any]]:
    # MBPP+ writes {} for no inputs of its own.
    return [*row["base_input"], *(row.get("plus_input") or [])]


def _problem(row: dict[str, Any], reference: Reference, outputs: list[str | None]) -> Problem:
    tests: dict[str, TestCase] = {}  # some inputs are there twice
    for given, output in zip(reference.inputs, outputs, strict=True):
        if output is not None:
            tolerance = _tolerance(ast.literal_eval(output), float(row.get("atol") or 0.0))
            tests.setdefault(given, TestCase(given, output, "literal", tolerance))
    shown, name = _squeezed(row["prompt"]), row["entry_point"]
    base = {literal_of(restore_arguments(row["task_id"], given)) for given in row["base_input"]}
    public = [
        test for test in tests.values() if test.input in base and _squeezed(_call(name, test.input)) in shown
    ] or list(tests.values())[:1]
    return Problem(
        id=row["task_id"],
        statement=_statement(row),
        starter_code="",
        entry_point=name,
        public_tests=tuple(public),
        hidden_tests=tuple(test for test in tests.values() if test not in public),
        source=_source(row),
        solution=_solution(row),
    )


def _statement(row: dict[str, Any]) -> str:
    if _source(row) == "humaneval+":
        return f"Complete this Python function.\n\n```python\n{row['prompt'].strip()}\n```"
    text = row["prompt"].strip().strip('"').strip()  # MBPP+'s prompts are a docstring and nothing else
    return f"{text}\n\nThe function is called `{row['entry_point']}`."


def _tolerance(expected: Any, atol: float) -> float:
    numbers = list(_floats(expected))
    if not numbers or (not atol and not _is_floats(expected)):
        return atol
    return (atol or FLOAT_TOLERANCE) + RELATIVE_TOLERANCE * min(map(abs, numbers))


def _is_floats(value: Any) -> bool:
    return isinstance(value, float) or (
        isinstance(value, list | tuple) and all(isinstance(item, float) for item in value)
    )


def _floats(value: Any) -> Iterator[float]:
    if isinstance(value, float):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _floats(item)


def _call(name: str, arguments: str) -> str:
    return f"{name}({arguments[1:-1].rstrip(',')})"


def _squeezed(code: str) -> str:
    return re.sub(r"\s", "", code).replace("'", '"')
