"""Means and differences over seeds and problems, their tests, and what a design can detect."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from rlif.errors import UserError
from rlif.statistics import bootstrap, crossed, runs
from rlif.statistics.equivalence import equivalence
from rlif.statistics.estimate import Estimate, t_estimate
from rlif.statistics.holm import holm
from rlif.statistics.power import Components, components, minimal_detectable_effect, planned

# Two seeds (rows) on three problems. Row means .5 and .3; column means .8, .3, .1; grand mean .4.
SCORES = np.array([[1.0, 0.4, 0.1], [0.6, 0.2, 0.1]])


def test_crossed_mean_by_hand():
    # Rows: variance .02, over S = 2: .01. Columns: (.16 + .01 + .09) / 2 = .13, over P = 3: .13 / 3.
    # Residuals ±.1, 0, ∓.1: MS = 4 · .01 / 2 = .02, over S·P = 6: .02 / 6.
    rows, columns, shared = 0.01, 0.13 / 3, 0.02 / 6
    variance = rows + columns - shared
    df = variance**2 / (rows**2 / 1 + columns**2 / 2 + shared**2 / 2)
    found = crossed.mean(SCORES)
    assert found.estimate == pytest.approx(0.4)
    assert found.standard_error == pytest.approx(math.sqrt(variance))
    assert found.df == pytest.approx(df)
    assert found.high - 0.4 == pytest.approx(stats.t.ppf(0.975, df) * math.sqrt(variance))


def test_crossed_difference_takes_rows_of_both_and_columns_of_the_difference():
    other = SCORES + 0.1  # every problem 0.1 easier: the problems' difference has no variance of its own
    found = crossed.difference(other, SCORES)
    assert found.estimate == pytest.approx(0.1)
    # Columns: 0. Rows: .01 + .01. Shared: 2 · .02 / 6; the sum is raised to its larger term.
    assert found.standard_error == pytest.approx(math.sqrt(0.02))


def test_paired_seeds_are_the_mean_of_differences():
    other = SCORES[::-1] ** 2
    assert crossed.difference(SCORES, other, paired_seeds=True) == crossed.mean(SCORES - other)


def test_a_single_run_has_an_estimate_and_no_interval():
    found = crossed.mean(SCORES[:1])
    assert found.estimate == pytest.approx(0.5)
    assert math.isnan(found.low)
    assert math.isnan(found.p_value())
    assert math.isnan(crossed.difference(SCORES[:1], SCORES).low)
    assert math.isnan(crossed.mean(np.zeros((3, 0))).estimate)


def test_different_problems_are_refused():
    with pytest.raises(ValueError, match="need the same problems in both; got 3 and 2"):
        crossed.difference(SCORES, SCORES[:, :2])


def test_equal_scores_leave_no_doubt():
    found = crossed.mean(np.full((3, 4), 0.25))
    assert (found.estimate, found.low, found.high) == (0.25, 0.25, 0.25)
    assert (found.p_above(), found.p_above(0.25), found.p_above(0.3)) == (0.0, 0.5, 1.0)


def draw(rng: np.random.Generator, seeds: int, problems: int, difference: float) -> tuple[np.ndarray, ...]:
    """Scores of two conditions: normal, with effects of seeds, of problems, and of problems by condition."""
    shared = rng.normal(0, 0.3, problems)
    return tuple(
        mean
        + shared
        + rng.normal(0, 0.1, problems)
        + rng.normal(0, 0.03, (seeds, 1))
        + rng.normal(0, 0.25, (seeds, problems))
        for mean in (difference, 0.0)
    )


def test_coverage_with_five_seeds():
    """95% ± 3 standard errors over 500 studies; benchmarks/statistics_coverage.py has the full table."""
    rng = np.random.default_rng(0)
    found = [crossed.difference(*draw(rng, 5, 100, 0.1)) for _ in range(500)]
    assert 0.92 < np.mean([e.low < 0.1 < e.high for e in found]) < 0.98


def test_equivalence_is_claimed_wrongly_at_most_one_time_in_twenty():
    rng = np.random.default_rng(1)
    found = [crossed.difference(*draw(rng, 5, 100, 0.1)) for _ in range(500)]
    assert 0.02 < np.mean([equivalence(e, 0.1).equivalent for e in found]) < 0.08


@given(
    st.floats(-1, 1), st.floats(0.01, 1), st.floats(1, 50), st.floats(0.01, 1), st.sampled_from([0.01, 0.05])
)
def test_equivalence_agrees_with_its_interval(
    estimate: float, se: float, df: float, margin: float, alpha: float
):
    found = equivalence(t_estimate(estimate, se, df, "t"), margin, alpha)
    inside = -margin < found.interval.low and found.interval.high < margin
    assert found.equivalent == inside or math.isclose(found.p_value, alpha, rel_tol=1e-6)
    assert found.not_above or not found.equivalent


def test_equivalence_by_hand():
    # se 1, df 10: t = (2 − 0.5) / 1 = 1.5 above the upper bound, 2.5 from the lower; the larger p counts.
    found = equivalence(t_estimate(0.5, 1.0, 10, "t"), 2.0)
    assert found.p_value == pytest.approx(stats.t.sf(1.5, 10))
    assert not found.equivalent
    assert math.isnan(equivalence(Estimate(0.1), 1.0).p_value)


def test_equivalence_needs_a_margin_and_an_error():
    with pytest.raises(UserError, match=r"must be positive; got -0\.1"):
        equivalence(crossed.mean(SCORES), -0.1)
    with pytest.raises(ValueError, match="has no standard error"):
        equivalence(bootstrap.mean(SCORES), 0.1)


def test_holm_by_hand():
    # Sorted: .01·4, .02·3, .03·2, .6·1, then made ascending.
    assert holm([0.02, 0.6, 0.01, 0.03]) == pytest.approx([0.06, 0.6, 0.04, 0.06])
    assert holm([]) == []


def test_holm_counts_a_test_that_could_not_be_made():
    first, second = holm([math.nan, 0.02])
    assert math.isnan(first)
    assert second == pytest.approx(0.04)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=10))
def test_holm_lies_between_raw_and_bonferroni(p_values: list[float]):
    for raw, adjusted in zip(p_values, holm(p_values), strict=True):
        assert raw <= adjusted <= min(1, raw * len(p_values))


def test_t_of_runs_is_scipys():
    first, second = np.array([3.0, 5, 4, 8]), np.array([1.0, 2, 6])
    welch = stats.ttest_ind(first, second, equal_var=False)
    found = runs.difference(first, second)
    assert found.p_value() == pytest.approx(welch.pvalue)
    assert (found.low, found.high) == pytest.approx(tuple(welch.confidence_interval()))
    assert runs.mean(first).p_value(2.0) == pytest.approx(stats.ttest_1samp(first, 2.0).pvalue)


def test_undefined_values_of_runs_are_left_out():
    assert runs.mean(np.array([1.0, math.nan, 3.0])) == runs.mean(np.array([1.0, 3.0]))
    assert math.isnan(runs.difference(np.array([1.0]), np.array([1.0, 2.0])).low)
    assert math.isnan(runs.mean(np.array([math.nan])).estimate)


def test_standardised_difference_by_hand():
    # Means 3 and 2, both variances 1: d = 1; J for df = 4 is Γ(2) / (√2 Γ(1.5)).
    found = runs.standardised_difference(np.array([2.0, 3, 4]), np.array([1.0, 2, 3]))
    correction = math.gamma(2) / (math.sqrt(2) * math.gamma(1.5))
    assert found.estimate == pytest.approx(correction)
    # The interval's ends are the noncentralities that make the observed t a 97.5% and a 2.5% quantile.
    t, root = math.sqrt(1.5), math.sqrt(2 / 3)
    assert stats.nct.cdf(t, 4, found.low / correction / root) == pytest.approx(0.975)
    assert stats.nct.cdf(t, 4, found.high / correction / root) == pytest.approx(0.025)
    assert math.isnan(runs.standardised_difference(np.array([1.0, 1]), np.array([1.0, 1])).estimate)


def test_standardised_difference_turns_with_its_arguments():
    first, second = np.array([3.0, 5, 4, 8]), np.array([1.0, 2, 6])
    there, back = runs.standardised_difference(first, second), -runs.standardised_difference(second, first)
    assert (there.estimate, there.low, there.high) == pytest.approx((back.estimate, back.low, back.high))


def test_bootstrap_is_seeded_and_has_the_known_error():
    values = np.random.default_rng(0).normal(size=400)
    found = bootstrap.mean_over_problems(values)
    assert found == bootstrap.mean_over_problems(values)
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * values.std() / 20, rel=0.1)
    assert math.isnan(bootstrap.mean_over_problems(np.array([])).low)
    assert math.isnan(bootstrap.mean_over_problems(np.array([1.0, math.nan])).estimate)


def test_bootstrap_resamples_both_levels():
    rows = np.repeat(np.random.default_rng(0).normal(size=(50, 1)), 40, axis=1)  # only seeds differ
    assert bootstrap.mean(rows).high - rows.mean() == pytest.approx(
        1.96 * rows.std() / math.sqrt(50), rel=0.15
    )
    assert bootstrap.mean(rows.T).high - rows.mean() == pytest.approx(
        1.96 * rows.std() / math.sqrt(50), rel=0.15
    )
    assert bootstrap.difference(rows, rows, paired_seeds=True).high == 0
    assert bootstrap.difference(rows, rows).high > 0.2  # other seeds of the same could differ


def test_components_by_hand():
    # MS of the residual .02; rows .02 − .02 / 3; columns .13 − .02 / 2.
    found = components(SCORES)
    assert (found.residual, found.seed, found.problem) == pytest.approx((0.02, 0.02 - 0.02 / 3, 0.12))
    assert math.isnan(components(SCORES[:1]).seed)


def test_a_planned_design_has_the_error_of_its_data():
    assert planned(components(SCORES), 2, 3, conditions=1).standard_error == pytest.approx(
        crossed.mean(SCORES).standard_error
    )


def test_more_seeds_detect_less_and_problems_alone_do_not_help():
    of = Components(seed=0.03**2, problem=0.0, residual=0.06)
    effects = [
        minimal_detectable_effect(planned(of, s, p)) for s, p in ((3, 100), (5, 100), (10, 100), (5, 10**6))
    ]
    assert effects[0] > effects[1] > effects[2]
    # With endless problems the seeds remain: a t test of 5 against 5.
    critical = stats.t.ppf(0.975, 8)
    power = stats.nct.sf(critical, 8, effects[3] / (0.03 * math.sqrt(2 / 5)))
    assert power == pytest.approx(0.8, abs=0.001)


def test_the_minimal_detectable_effect_is_found_four_times_in_five():
    rng = np.random.default_rng(2)
    design = planned(Components(seed=0.03**2, problem=2 * 0.1**2, residual=0.25**2), 5, 100)
    effect = minimal_detectable_effect(design)
    found = [crossed.difference(*draw(rng, 5, 100, effect)).p_value() < 0.05 for _ in range(500)]
    assert 0.74 < np.mean(found) < 0.86


def test_without_an_error_nothing_is_said_of_power():
    assert math.isnan(minimal_detectable_effect(crossed.mean(SCORES[:1])))
    assert minimal_detectable_effect(t_estimate(0, 1, math.inf, "normal")) == pytest.approx(2.80, abs=0.01)
