"""Time to collapse with censoring, against hand computations and a classic data set."""

import math

import numpy as np
import pytest
from scipy import stats

from rlif.statistics.hazard import hazard_trend, trend_p_value
from rlif.statistics.survival import kaplan_meier, log_rank

# Weeks of remission in leukaemia, 6-MP against placebo (Freireich et al. 1963); all on placebo relapsed.
TREATED = np.array([6, 6, 6, 7, 10, 13, 16, 22, 23, 6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35.0])
RELAPSED = np.arange(21) < 9
PLACEBO = np.array([1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23.0])


def test_kaplan_meier_by_hand():
    # Five runs: collapses at 10 and 20, one run watched to 15, two to the end at 30.
    curve = kaplan_meier(np.array([10, 15, 20, 30, 30.0]), np.array([True, False, True, False, False]))
    assert curve.times.tolist() == [10, 15, 20, 30]
    assert curve.at_risk.tolist() == [5, 4, 3, 2]
    assert curve.collapsed.tolist() == [1, 0, 1, 0]
    assert curve.alive == pytest.approx([4 / 5, 4 / 5, 4 / 5 * 2 / 3, 8 / 15])
    # Greenwood at 20: 1 / (5·4) + 1 / (3·2); on the log(−log) scale its error is divided by −log S.
    log_s = math.log(8 / 15)
    error = math.sqrt(1 / 20 + 1 / 6) / -log_s
    bounds = [math.exp(log_s * math.exp(sign * 1.959964 * error)) for sign in (1, -1)]
    found = curve.at(25)
    assert (found.low, found.high) == pytest.approx(bounds, rel=1e-5)
    assert curve.at(5).estimate == 1
    assert math.isnan(curve.at(31).estimate)


def test_the_classic_data():
    curve = kaplan_meier(TREATED, RELAPSED)
    assert curve.at(10).estimate == pytest.approx(0.753, abs=0.0005)
    median = curve.median()
    assert (median.estimate, median.low, median.high) == (23, 13, math.inf)
    assert curve.restricted_mean(35).estimate == pytest.approx(23.29, abs=0.005)
    error = (curve.restricted_mean(35).high - 23.287) / 1.96
    assert error == pytest.approx(2.83, abs=0.005)
    p_value = log_rank((TREATED, RELAPSED), (PLACEBO, np.ones(21, bool)))
    assert stats.chi2.isf(p_value, 1) == pytest.approx(16.79, abs=0.005)


def test_without_censoring_the_mean_is_the_mean():
    curve = kaplan_meier(PLACEBO, np.ones(21, bool))
    assert curve.restricted_mean(23).estimate == pytest.approx(PLACEBO.mean())
    half_width = curve.restricted_mean(23).high - PLACEBO.mean()
    assert half_width == pytest.approx(1.959964 * PLACEBO.std() / math.sqrt(21), rel=1e-6)
    assert curve.median().estimate == np.median(PLACEBO)


def test_exponential_lifetimes_follow_their_law():
    rng = np.random.default_rng(0)
    lives = rng.exponential(20, 4000)
    curve = kaplan_meier(np.minimum(lives, 40), lives < 40)  # the budget ends at 40
    assert curve.at(20).estimate == pytest.approx(math.exp(-1), abs=0.02)
    assert curve.restricted_mean(40).estimate == pytest.approx(20 * (1 - math.exp(-2)), abs=0.6)


def test_no_collapse_at_all():
    curve = kaplan_meier(np.array([30, 30, 30.0]), np.zeros(3, bool))
    assert curve.at(30).estimate == 1
    assert math.isnan(curve.median().estimate)
    assert curve.restricted_mean(30).estimate == 30
    assert math.isnan(curve.restricted_mean(40).estimate)  # nobody watched that long
    assert math.isnan(log_rank((np.ones(2), np.zeros(2, bool)), (np.ones(2), np.zeros(2, bool))))


def test_trend_of_two_groups_is_the_log_rank_test():
    steps, collapsed = np.r_[TREATED, PLACEBO], np.r_[RELAPSED, np.ones(21, bool)]
    group = np.repeat([0.0, 1.0], 21)
    trend = hazard_trend(steps, collapsed, group)
    assert trend.p_value() == pytest.approx(log_rank((TREATED, RELAPSED), (PLACEBO, np.ones(21, bool))))
    assert 0.8 < trend.low < 1.51 < trend.high  # Cox's own estimate of the log ratio is 1.51
    assert trend_p_value(steps, collapsed, group) == pytest.approx(1 / 2001)


def test_trend_by_hand():
    # At step 1 the run with x = 2 falls among x = 0, 1, 2: U = 2 − 1, V = 2/3. At step 2 x = 1 falls among
    # 0 and 1: U += 1/2, V += 1/4. The last run is censored.
    found = hazard_trend(np.array([3, 2, 1.0]), np.array([False, True, True]), np.array([0.0, 1, 2]))
    assert found.estimate == pytest.approx(1.5 / (2 / 3 + 1 / 4))
    assert found.standard_error == pytest.approx((2 / 3 + 1 / 4) ** -0.5)


def test_strata_are_not_compared_with_each_other():
    # Within each reward the setting does nothing; between rewards everything differs, and so do the settings.
    steps = np.array([10, 10, 10, 30, 30, 30.0])
    x = np.array([0, 0, 1, 1, 1, 0.0])
    reward = np.array(["a", "a", "a", "b", "b", "b"])
    fallen = np.ones(6, bool)
    assert hazard_trend(steps, fallen, x).estimate < 0
    assert math.isnan(hazard_trend(steps, fallen, x, reward).estimate)  # all fall at once: nothing to learn
    assert math.isnan(trend_p_value(steps, fallen, x, reward))


def test_permutation_p_values_of_nine_runs_are_uniform_without_an_effect():
    rng = np.random.default_rng(3)
    x = np.repeat([0.0, 1.0, 2.0], 3)
    lives = rng.exponential(20, (200, 9))
    p_values = [trend_p_value(np.minimum(life, 40), life < 40, x) for life in lives]
    assert 0.01 < np.mean(np.array(p_values) < 0.05) < 0.10
    assert 0.4 < np.mean(p_values) < 0.6
