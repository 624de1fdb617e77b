"""Signatures: what a program's output amounts to, as a hashable value. Equal signatures are agreement.

Two outputs agree when the grader would call one right given the other as the expected output, so that two
right programs always agree:

- stdin: white space around the text and around each line is dropped; a line of numbers is compared as numbers
  (1.0 = 1 = 1e0, no tolerance), any other line as text;
- functional: Python's `==` (1 = 1.0 = True), with a tuple as the result itself standing for a list;
- literal: Python's `==`.

Two departures: NaN equals NaN, since programs that both return it do the same; and a test's tolerance is
not applied, since being nearly equal is not transitive and would leave no classes to count.
"""

import math
from collections.abc import Hashable
from decimal import Decimal, InvalidOperation

from rlif.problems.types import TestKind
from rlif.sandbox.types import Output, RunStatus, Value

Signature = tuple[Hashable, ...]
"""Opaque: compare and hash it, nothing else."""


def signature(output: Output, kind: TestKind) -> Signature | None:
    """Return the signature of one output, or None for one that agrees with nothing.

    That is a run that failed in any way, and a value nested too deeply to be compared.

    Args:
        output: what the program gave on one input.
        kind: how the tests of the problem are written; decides what is equal (see above).
    """
    if output.status is not RunStatus.OK:
        return None
    value = output.value
    if kind == "stdin":
        return tuple(_line(line) for line in str(value).strip().split("\n"))
    if kind == "functional" and isinstance(value, tuple):
        value = list(value)
    try:
        return (_canonical(value),)
    except RecursionError:
        return None


def _line(line: str) -> Hashable:
    """Return a line of numbers as a tuple of them, any other line as its stripped text."""
    line = line.strip()
    try:
        numbers = tuple(Decimal(word) for word in line.split())
    except InvalidOperation:
        return line
    return line if not numbers or any(number.is_nan() for number in numbers) else numbers


def _canonical(value: Value) -> Hashable:
    """Return a hashable value that is equal for values equal by `==`; containers become (kind, items)."""
    match value:
        case list():
            return "list", tuple(map(_canonical, value))
        case tuple():
            return "tuple", tuple(map(_canonical, value))
        case set() | frozenset():
            return "set", frozenset(map(_canonical, value))
        case dict():
            return "dict", frozenset((_canonical(k), _canonical(v)) for k, v in value.items())
        case complex():
            real, imaginary = _canonical(value.real), _canonical(value.imag)
            return ("complex", real, imaginary) if value.imag else real  # 1 + 0j = 1
        case float() if math.isnan(value):
            return ("nan",)
        case _:
            return value
