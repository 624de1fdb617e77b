"""Leaks between training and test problems: the same id, the same statement, nearly the same statement."""

import datetime as dt
import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlif.errors import UserError
from rlif.problems.leaks import Leak, LeakKind, find_leaks, normalise, shingles
from rlif.problems.load import load_problems
from rlif.problems.types import Problem


def problem(name: str, statement: str) -> Problem:
    return Problem(name, statement, "", None, (), (), "own", date=dt.date(2024, 1, 6))


def test_words_are_what_is_compared():
    assert normalise("Read N,  and print\n`a_1 + 2`!") == "read n and print a 1 + 2 !"
    assert shingles("One two three four five six") == {
        ("one", "two", "three", "four", "five"),
        ("two", "three", "four", "five", "six"),
    }
    assert shingles("Too short.") == {("too", "short")}


def test_one_of_each_kind():
    text = " ".join(f"word{i}" for i in range(40))  # 36 runs of five words
    train = [problem("a", text), problem("b", "Quite another problem than all of the others here.")]
    test = [
        problem("a", "The id is the same, the statement is not."),
        problem("copy", text.upper()),
        problem("near", f"{text} more"),  # 36 runs of 37
        problem("far", text.replace("word20", "changed")),  # 31 runs of 41
        problem("new", "Nothing like any of the problems that are trained on."),
    ]
    assert find_leaks(train, test) == [
        Leak(train[0], test[0], LeakKind.SAME_ID, 0.0),
        Leak(train[0], test[1], LeakKind.SAME_STATEMENT, 1.0),
        Leak(train[0], test[2], LeakKind.NEAR_IDENTICAL, 36 / 37),
    ]
    assert [(leak.test.id, leak.similarity) for leak in find_leaks(train, test, threshold=31 / 41)][3:] == [
        ("far", 31 / 41)
    ]
    line = "near-identical, similarity 0.97: train a (2024-01-06), test near (2024-01-06)"
    assert str(find_leaks(train, test)[2]) == line


statements = st.lists(st.sampled_from("abc"), max_size=12).map(" ".join)


@given(
    train=st.lists(statements, max_size=8),
    test=st.lists(statements, max_size=8),
    threshold=st.sampled_from([0.1, 0.3, 0.5, 0.6, 0.7, 0.9, 1.0]),
)
def test_the_filter_loses_no_pair(train: list[str], test: list[str], threshold: float):
    def similarity(a: str, b: str) -> float:
        one, other = shingles(a), shingles(b)
        return len(one & other) / len(one | other)

    found = find_leaks(
        [problem(f"train{i}", text) for i, text in enumerate(train)],
        [problem(f"test{i}", text) for i, text in enumerate(test)],
        threshold,
    )
    assert {(leak.train.id, leak.test.id) for leak in found} == {
        (f"train{i}", f"test{j}")
        for i, a in enumerate(train)
        for j, b in enumerate(test)
        if similarity(a, b) >= threshold
    }


@pytest.mark.parametrize("threshold", [0, -1, 1.1, float("nan")])
def test_an_impossible_threshold_is_refused(threshold: float):
    with pytest.raises(UserError, match=f"above 0 and at most 1; got {threshold:g}"):
        find_leaks([], [], threshold)


def test_minicodes_splits_do_not_leak():
    train, test = load_problems("minicode", "train", 256), load_problems("minicode", "validation", 96)
    assert find_leaks(train, test) == []


def test_boilerplate_shared_by_all_costs_little():
    rng = random.Random(0)
    boilerplate = " ".join(f"boilerplate{i}" for i in range(60))
    texts = [
        f"{boilerplate} {' '.join(rng.choice('abcdefgh') * 3 for _ in range(30))} {i}" for i in range(2000)
    ]
    problems = [problem(f"p{i}", text) for i, text in enumerate(texts)]
    start = time.process_time()
    assert find_leaks(problems[:1000], problems[1000:]) == []
    assert time.process_time() - start < 3  # without the filter 14
