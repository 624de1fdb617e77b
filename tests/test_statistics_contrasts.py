"""Contrasts, slopes, ratios and rank correlations, by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlif.statistics import crossed
from rlif.statistics.crossed import Floats, contrast, slope_weights
from rlif.statistics.estimate import Estimate
from rlif.statistics.rank import spearman
from rlif.statistics.ratio import ratio


def scores(mean: float, seeds: int = 5, problems: int = 40, spread: float = 0.02, seed: int = 0) -> Floats:
    """Scores with a seed's and a problem's part; the problems' part is the same in all tables."""
    rng = np.random.default_rng(seed)
    difficulty = np.random.default_rng(99).normal(0, 0.1, problems)
    return mean + rng.normal(0, spread, (seeds, 1)) + difficulty + rng.normal(0, 0.1, (seeds, problems))


def numbers(estimate: Estimate) -> tuple[float, ...]:
    return (estimate.estimate, estimate.low, estimate.high, estimate.standard_error, estimate.df)


def test_a_contrast_of_two_is_their_difference_and_of_one_its_mean():
    a, b = scores(0.5, seed=1), scores(0.4, seeds=3, seed=2)
    expected = crossed.difference(a, b, level=0.9)
    assert numbers(contrast([a, b], [1, -1], 0.9)) == pytest.approx(numbers(expected))
    assert numbers(contrast([a], [1])) == pytest.approx(numbers(crossed.mean(a)))


def test_a_contrast_needs_two_runs_a_group():
    assert math.isnan(contrast([scores(0.5), scores(0.5, seeds=1)], [1, -1]).low)


def test_slopes():
    assert slope_weights([0, 1], [5, 5]) == [-1, 1]
    assert slope_weights([-1, 0, 1], [3, 3, 3]) == [-0.5, 0, 0.5]
    x, y, n = [0.0, 1.0, 3.0], [2.0, 4.0, 3.0], [1, 2, 5]
    expected = np.polyfit(np.repeat(x, n), np.repeat(y, n), 1)[0]
    assert np.dot(slope_weights(x, n), y) == pytest.approx(expected)


def test_a_ratio_and_where_its_interval_ends():
    x, y = scores(0.1, seed=1), scores(0.2, seed=2)
    found = ratio(x, y)
    assert found.estimate == pytest.approx(x.mean() / y.mean())
    assert found.low < found.estimate < found.high
    assert crossed.difference(x, found.low * y).low == pytest.approx(0, abs=1e-9)
    assert crossed.difference(x, found.high * y).high == pytest.approx(0, abs=1e-9)


@given(st.floats(0.1, 10))
def test_a_ratio_scales_with_its_upper_half(factor: float):
    x, y = scores(0.1, seed=1), scores(0.2, seed=2)
    one, other = ratio(x, y), ratio(factor * x, y)
    assert [other.low, other.high] == pytest.approx([factor * one.low, factor * one.high], rel=1e-6)


def test_there_is_no_ratio_to_what_may_be_nothing_and_none_from_one_run():
    assert math.isnan(ratio(scores(0.1), scores(0.0, seed=2)).estimate)
    assert math.isnan(ratio(scores(0.1), scores(-0.2, seed=2)).estimate)
    assert math.isnan(ratio(scores(0.1, seeds=1), scores(0.2, seed=2)).estimate)


def test_a_ratio_without_any_spread_is_certain():
    exact = [np.full((3, 4), value) for value in (0.1, 0.2)]
    found = ratio(*exact)
    assert (found.low, found.high) == pytest.approx((0.5, 0.5))


@pytest.mark.slow
def test_fieller_intervals_cover():
    inside = 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        effect = rng.normal(0, 0.15, (2, 1, 60))  # new problems; what they do in the two is not alike
        draws = [
            mean + part + rng.normal(0, 0.03, (5, 1)) + rng.normal(0, 0.2, (5, 60))
            for mean, part in zip((0.1, 0.2), effect, strict=True)
        ]
        found = ratio(*draws)
        inside += bool(found.low <= 0.5 <= found.high)
    assert inside >= 0.92 * 300


def test_rank_correlation_by_hand():
    x = np.array([1.0, 2, 3, 4, 5, 6])
    found = spearman(x, np.array([1.0, 2, 3, 4, 6, 5]))  # one exchange: 1 − 6 · 2 / (6 · 35)
    assert found.estimate == pytest.approx(1 - 12 / 210)
    half = 1.959964 * math.sqrt((1 + found.estimate**2 / 2) / 3)
    assert found.low == pytest.approx(math.tanh(math.atanh(found.estimate) - half), abs=1e-6)


def test_a_perfect_rank_correlation_keeps_an_interval():
    x = np.arange(10.0)
    assert 0.5 < spearman(x, x**3).low < spearman(x, x**3).high < 1
    assert spearman(x, -x).estimate == pytest.approx(-1)


def test_rank_correlation_is_undefined_without_spread_or_pairs():
    x = np.arange(6.0)
    assert math.isnan(spearman(x, np.ones(6)).estimate)
    gaps = np.array([1.0, np.nan, np.nan, np.nan, 2, 3])
    assert math.isnan(spearman(gaps, x).estimate)
