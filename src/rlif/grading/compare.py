"""Whether an output is right: the rules of mode `native`.

stdin        as LiveCodeBench: both texts are stripped and split into lines, each line stripped; as many
             lines, and each equal, or equal as a list of decimal numbers (1.0 = 1, 1e3 = 1000). No tolerance;
             words are compared with case and spacing.
functional   Python's `==` on exact builtin values, a tuple counting as a list.
literal      Python's `==`, a tuple differing from a list.

In the last two, floats may differ by the test's tolerance. NaN never equals anything.
"""

import ast
import json
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

from rlif.problems.types import TestCase
from rlif.sandbox import Value


def is_right(value: Value, test: TestCase) -> bool:
    """Tell whether what a program gave is what the test expects.

    Raises ValueError only if the test's own output is not written as its kind says.
    """
    match test.kind:
        case "stdin":
            return isinstance(value, str) and same_text(value, test.output)
        case "functional":
            expected = json.loads(test.output)
            return same_value(value, expected, test.tolerance, tuples_are_lists=True)
        case "literal":
            return same_value(value, literal(test.output), test.tolerance, tuples_are_lists=False)


def literal(text: str) -> Any:
    """Return the value of a Python literal; raises ValueError for anything else."""
    try:
        return ast.literal_eval(text)
    except (SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise ValueError(f"not a Python literal: {error}") from None


def same_text(actual: str, expected: str) -> bool:
    """Compare two printed texts."""
    return same_lines(actual, expected, _same_line)


def same_lines(actual: str, expected: str, same_line: Callable[[str, str], bool]) -> bool:
    """Compare two printed texts line by line, without the blanks around lines and texts."""
    actual, expected = actual.strip(), expected.strip()
    if actual == expected:
        return True
    actual_lines = [line.strip() for line in actual.split("\n")]
    expected_lines = [line.strip() for line in expected.split("\n")]
    return len(actual_lines) == len(expected_lines) and all(map(same_line, actual_lines, expected_lines))


def same_value(actual: Any, expected: Any, tolerance: float = 0.0, tuples_are_lists: bool = False) -> bool:
    """Compare two values of builtin types."""
    try:
        if actual == expected:
            return not has_nan(expected)
        return _is_close(actual, expected, tolerance, tuples_are_lists)
    except (ArithmeticError, RecursionError):  # a float cannot hold a huge int; nested too deeply
        return False


def _same_line(actual: str, expected: str) -> bool:
    if actual == expected:
        return True
    try:
        numbers = [Decimal(word) for word in expected.split()]
        return [Decimal(word) for word in actual.split()] == numbers
    except ArithmeticError:  # a word that is no number, or a signalling NaN
        return False


def has_nan(value: Any) -> bool:
    """Tell whether a value of builtin types is or holds NaN."""
    match value:
        case float() | complex():
            return value != value
        case list() | tuple() | set() | frozenset():
            return any(map(has_nan, value))
        case dict():
            return any(map(has_nan, value)) or any(map(has_nan, value.values()))
        case _:
            return False


def _is_close(actual: Any, expected: Any, tolerance: float, tuples_are_lists: bool) -> bool:
    close = partial(_is_close, tolerance=tolerance, tuples_are_lists=tuples_are_lists)
    match actual, expected:
        case (float(), int() | float()) | (int(), float()):
            return actual == expected or abs(actual - expected) <= tolerance
        case (list() | tuple(), list() | tuple()) if tuples_are_lists or type(actual) is type(expected):
            return len(actual) == len(expected) and all(map(close, actual, expected))
        case (dict(), dict()):
            return actual.keys() == expected.keys() and all(
                close(actual[key], expected[key]) for key in expected
            )
        case _:
            return actual == expected
