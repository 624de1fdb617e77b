"""Selection by a score, on cases small enough to work out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rlif.diagnostics.selection import selection

NAN = float("nan")


def judged(scores: list[list[float]], right: list[list[int]]):
    return selection([np.array(s) for s in scores], [np.array(r, dtype=bool) for r in right])


def test_three_problems_by_hand():
    # 1: right above wrong. 2: one right at 2, wrong at 1 and 3: AUROC 1/2, the best is wrong. 3: all right.
    found = judged([[5, 1], [2, 1, 3], [0, 0]], [[1, 0], [1, 0, 0], [1, 1]])
    assert (found.problems, found.mixed, found.undefined) == (3, 2, 0)
    assert found.auroc.estimate == pytest.approx(3 / 4)
    assert found.best.estimate == pytest.approx(2 / 3)
    assert found.random.estimate == pytest.approx((1 / 2 + 1 / 3 + 1) / 3)
    assert found.gain.estimate == pytest.approx(2 / 3 - (1 / 2 + 1 / 3 + 1) / 3)
    assert found.oracle == 1


def test_ties_are_drawn_at_random():
    found = judged([[1, 1, 0, 0]], [[1, 0, 0, 0]])
    assert found.best.estimate == 0.5
    assert found.auroc.estimate == pytest.approx(5 / 6)  # above two of three wrong ones, level with the third


def test_a_sample_without_a_score_is_not_chosen_and_a_problem_without_any_is_chance():
    found = judged([[NAN, 1.0], [NAN, NAN]], [[1, 0], [1, 0]])
    assert found.undefined == 0.75
    assert found.mixed == 0
    assert np.isnan(found.auroc.estimate)
    assert found.best.estimate == pytest.approx((0 + 0.5) / 2)


def test_no_problems_is_undefined_not_zero():
    found = selection([], [])
    assert found.problems == 0
    assert np.isnan([found.best.estimate, found.random.estimate, found.oracle, found.undefined]).all()


def test_shapes_must_fit():
    with pytest.raises(ValueError, match="number of scores"):
        judged([[1, 2]], [[1]])


@given(arrays(float, (5, 4), elements=st.floats(-9, 9)), arrays(bool, (5, 4)))
def test_only_the_order_of_scores_matters_and_reversing_it_reverses_auroc(scores, right):
    rounded = scores.round(3)
    found = selection(list(rounded), list(right))
    grown = selection(list(np.exp(rounded / 3)), list(right))
    turned = selection(list(-rounded), list(right))
    assert (found.auroc, found.best) == (grown.auroc, grown.best) or np.isnan(found.auroc.estimate)
    if found.mixed:
        assert found.auroc.estimate + turned.auroc.estimate == pytest.approx(1)
    assert found.random.estimate <= found.oracle
    assert found.best.estimate <= found.oracle + 1e-12
