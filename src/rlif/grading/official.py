"""Whether an output is right: the rules of LiveCodeBench's checker (repository at 28fef95), mode `official`.

stdin        both texts are stripped and split at newlines, each line stripped; as many lines, and each the
             same text or the same list of `Decimal`s. Comparing a signalling NaN is an error.
functional   a tuple is made a list, at the top alone; then Python's `==` with the expected JSON value.

What the values are compared with never meets the program, nor does this module see an object of the
program's: they are builtin values by now (see `rlif.sandbox.inside.plain`).
"""

import json
from decimal import Decimal, InvalidOperation

from rlif.grading.compare import has_nan, same_lines
from rlif.grading.types import VerdictStatus
from rlif.problems.types import TestCase
from rlif.sandbox import Value


def status_of(value: Value, test: TestCase) -> VerdictStatus:
    """Return PASSED, WRONG_ANSWER, or RUNTIME_ERROR where the comparison itself fails.

    Raises:
        ValueError: the test's own output is not written as its kind says.
    """
    try:
        if test.kind == "stdin":
            is_right = isinstance(value, str) and same_lines(value, test.output, _same_line)
        else:
            is_right = _same_value(value, test.output)
    except (InvalidOperation, RecursionError):
        return VerdictStatus.RUNTIME_ERROR
    return VerdictStatus.PASSED if is_right else VerdictStatus.WRONG_ANSWER


def can_read(test: TestCase) -> bool:
    """Tell whether the checker can read a test's input; if not, it fails every program for the problem.

    Each line must be a JSON value, and so it trips over an empty line at the end.
    """
    return test.kind == "stdin" or test.input.count("\n") == test.input.strip().count("\n")


def _same_line(actual: str, expected: str) -> bool:
    if actual == expected:
        return True
    actual_numbers, expected_numbers = _decimals(actual), _decimals(expected)
    return actual_numbers is not None and actual_numbers == expected_numbers


def _decimals(line: str) -> list[Decimal] | None:
    try:
        return [Decimal(word) for word in line.split()]
    except InvalidOperation:
        return None


def _same_value(actual: Value, expected_json: str) -> bool:
    expected: Value = json.loads(expected_json)
    if type(actual) is tuple:
        actual = list(actual)
    # Lists compare their items by identity first, and Python's JSON has but one NaN.
    return actual == expected and not has_nan(expected)
