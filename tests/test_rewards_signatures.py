"""Equal signatures mean that the grader would call the outputs equal; its rule is written out here."""

import math
from decimal import Decimal, InvalidOperation

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rlif.rewards.signatures import signature
from rlif.sandbox.types import Output, RunStatus


def agree(a, b, kind="functional") -> bool:
    first, second = signature(Output(RunStatus.OK, a), kind), signature(Output(RunStatus.OK, b), kind)
    assert first is not None
    assert (first == second) == (len({first, second}) == 1)  # equality and hash tell the same
    return first == second


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("1\n2\n", "1\n2", True),
        (" 1 \r\n2  ", "1\n2", True),
        ("1 2", "1  2", True),  # numbers: how they are spaced does not matter
        ("yes no", "yes  no", False),  # words: it does
        ("1.0", "1", True),
        ("1e3", "1000", True),
        ("0.333333", "0.3333333", False),
        ("Yes", "YES", False),
        ("1\n\n2", "1\n2", False),
        ("", "\n", True),
        ("nan", "nan", True),
        ("nan 1", "nan 1.0", False),  # not numbers that compare, so text
        ("1 a", "1.0 a", False),
    ],
)
def test_stdin(a, b, same):
    assert agree(a, b, "stdin") is same


def grader_says_equal(a: str, b: str) -> bool:
    lines = [[line.strip() for line in text.strip().split("\n")] for text in (a, b)]
    if len(lines[0]) != len(lines[1]):
        return False
    for x, y in zip(*lines, strict=True):
        if x != y:
            try:
                if [Decimal(w) for w in x.split()] != [Decimal(w) for w in y.split()]:
                    return False
            except InvalidOperation:
                return False
    return True


texts = st.text(alphabet="01.e-a \n", max_size=6)


@given(texts, texts)
@example("0", "-0")
@example("10", "1e1")
def test_stdin_is_the_graders_equality(a, b):
    assert agree(a, b, "stdin") == grader_says_equal(a, b)


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        (1, True, True),  # as Python's ==, which decides whether an answer is right
        (1, 1.0, True),
        (2**60, float(2**60), True),
        (2**60 + 1, float(2**60), False),
        (0.0, -0.0, True),
        (1 + 0j, 1, True),
        (0.1 + 0.2, 0.3, False),
        (1, "1", False),
        ("a", b"a", False),
        ([1, 2], (1, 2), True),  # a tuple as the result stands for a list …
        ([[1]], [(1,)], False),  # … but not one inside it
        ([1, 2], [2, 1], False),
        ({1, 2}, frozenset({2, 1}), True),
        ({1: "a", 2: "b"}, {2: "b", 1.0: "a"}, True),
        ({1: [2]}, {1: [3]}, False),
        ([], {}, False),
        ([], "", False),
        (None, [], False),
        ((), None, False),
        (math.nan, math.nan, True),
        ([math.nan, 1], [math.nan, 1], True),
        (complex(math.nan, 0), math.nan, True),
        (math.nan, ("nan",), False),  # no value can pass for the marker of another
        ([1], ("list", (1,)), False),
    ],
)
def test_functional(a, b, same):
    assert agree(a, b) is same


def test_literal_tells_tuples_from_lists():
    assert not agree((1, 2), [1, 2], "literal")
    assert agree((1, 2), (1.0, 2), "literal")


scalars = (
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from([0.5, 1.0, -0.0, 1j, "", "1", b"1"])
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.tuples(inner, inner)
        | st.sets(scalars, max_size=2)
        | st.dictionaries(scalars, inner, max_size=2)
    ),
    max_leaves=4,
)


@given(values, values)
def test_literal_is_pythons_equality(a, b):
    assert agree(a, b, "literal") == (a == b)
    assert agree(a, a, "literal")


@pytest.mark.parametrize("status", [s for s in RunStatus if s is not RunStatus.OK])
@pytest.mark.parametrize("kind", ["stdin", "functional", "literal"])
def test_a_failure_has_no_signature(status, kind):
    assert signature(Output(status, "looks right"), kind) is None


def test_a_value_too_deep_to_compare_has_no_signature():
    deep = []
    for _ in range(100_000):
        deep = [deep]
    assert signature(Output(RunStatus.OK, deep), "functional") is None
    while deep:  # taken apart here: freeing it in one go would recurse in C
        deep = deep.pop()
