"""Loops inside completions and sameness between them: distinct-4 and the compression ratio."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reward_groups import completion, group

from rlif.diagnostics.repetition import compression_ratio, distinct_ngrams, summarise_repetition

LINES = ["total = 0", "for word in line.split():", "print(max(seen))", "if n > 3 and left:", "return a - b"]


def test_distinct_4_by_hand() -> None:
    # 1234, 2341, 3412, 4123, 1234: four of five are different.
    assert distinct_ngrams([1, 2, 3, 4, 1, 2, 3, 4]) == 4 / 5
    assert distinct_ngrams([7] * 10) == 1 / 7
    assert distinct_ngrams(range(10)) == 1.0
    assert distinct_ngrams([1, 2, 3, 4]) == 1.0
    assert math.isnan(distinct_ngrams([1, 2, 3]))


@given(st.lists(st.integers(0, 3), min_size=4, max_size=60))
def test_distinct_4_is_a_share_and_falls_when_a_text_is_said_again(tokens: list[int]) -> None:
    once = distinct_ngrams(tokens)
    assert 0 < once <= 1
    assert distinct_ngrams(tokens * 20) < once or once <= 1 / len(tokens)


def test_a_group_that_says_the_same_compresses_better_than_one_that_does_not() -> None:
    different = compression_ratio(LINES)
    assert compression_ratio(LINES[:1] * 5) > 1.5 * different
    assert 0 < different < 1.5


def test_compression_of_known_size() -> None:
    # 1,000 equal letters: zlib needs 17 bytes for them.
    assert compression_ratio(["a" * 1000]) == pytest.approx(1000 / 17)


def test_no_text_has_no_ratio() -> None:
    assert math.isnan(compression_ratio([]))
    assert math.isnan(compression_ratio(["", ""]))


TEXTS = st.lists(st.text(st.characters(codec=None), max_size=30), min_size=1, max_size=6)


@given(TEXTS.flatmap(lambda texts: st.tuples(st.just(texts), st.permutations(texts))))
def test_any_text_in_any_order(orders: tuple[list[str], list[str]]) -> None:
    texts, shuffled = orders
    ratio = compression_ratio(texts)
    assert ratio > 0 or not any(texts)
    assert compression_ratio(shuffled) == pytest.approx(ratio, nan_ok=True)


def test_text_that_is_no_valid_unicode() -> None:
    assert compression_ratio(["\ud800" * 1000]) > 10


def test_fields_of_a_step() -> None:
    looping = completion(10, text="x = 1\n" * 10)  # reward_groups: ten times the same token
    fresh = completion(text="print(input())", token_ids=tuple(range(7)))
    unknown = completion(text="only the text is known")
    found = summarise_repetition([group(3, completions=(looping, fresh, unknown))])
    assert found["distinct_4"] == pytest.approx((1 / 7 + 1) / 2)
    assert found["compression_ratio"] == compression_ratio([looping.text, fresh.text, unknown.text])
    assert all(math.isnan(value) for value in summarise_repetition([]).values())
