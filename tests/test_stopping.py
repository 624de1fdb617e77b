"""Stopping rules: what they see, when they stop, which policy they keep."""

import json
import math
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from scipy.stats import linregress

from rlif.diagnostics.stopping import (
    DEFAULT_RULE,
    RULES,
    AnyRule,
    ChangePoint,
    Consensus,
    Decline,
    FirstOf,
    FixedStep,
    HealthyRange,
    History,
    MaxReward,
    Signal,
    StoppingRule,
)
from rlif.diagnostics.stopping.change_point import standardise
from rlif.diagnostics.stopping.windows import trailing_mean, trend
from rlif.records import StepRecord

EXAMPLES: list[StoppingRule] = [
    FixedStep(steps=4),
    MaxReward(window=3, patience=2),
    Consensus(window=1, patience=3),
    HealthyRange(window=2),
    ChangePoint(threshold=2),
    Decline(window=6, fewest=5, threshold=0.5),
    FirstOf(),
]


def history(**signals: Any) -> History:
    """A history of steps 1, 2, …; each signal a list of values."""
    length = len(next(iter(signals.values())))
    values = {Signal(name): np.array(values, dtype=float) for name, values in signals.items()}
    return History(np.arange(1, length + 1), values)


# What a rule sees


def test_no_rule_can_see_a_signal_that_needs_tests() -> None:
    documented = re.findall(r"(\w+): \[truth\]", StepRecord.__doc__ or "")

    assert {"pass_rate", "label_accuracy", "reward_truth_auroc"} <= set(documented)
    assert not set(documented) & set(Signal)
    seen = History.of([StepRecord(step=1, stage="", pass_rate=0.9, length_mean=40)])
    assert set(seen.values) == set(Signal)
    assert seen.signal(Signal.LENGTH_MEAN) == [40]


def test_missing_and_infinite_values_count_as_not_recorded() -> None:
    seen = history(entropy=[0.1, math.inf, math.nan])

    np.testing.assert_array_equal(seen.signal(Signal.ENTROPY), [0.1, math.nan, math.nan])
    assert np.isnan(seen.signal(Signal.REWARD)).all()
    assert seen.recorded([Signal.ENTROPY, Signal.REWARD]) == (Signal.ENTROPY,)


# What all rules promise


number = st.floats(-100, 100) | st.sampled_from([math.nan, math.inf, 0.0])
histories = st.integers(1, 25).flatmap(
    lambda n: st.fixed_dictionaries(
        {
            str(name): st.lists(number, min_size=n, max_size=n)
            for name in (Signal.REWARD, Signal.LENGTH_MEAN, Signal.ENTROPY, Signal.MAJORITY_SHARE)
        }
    )
)


@pytest.mark.parametrize("rule", EXAMPLES, ids=lambda rule: rule.type)
@given(signals=histories, cut=st.integers(1, 25))
@settings(max_examples=30, deadline=None)
def test_advice_follows_from_the_past_alone(rule: StoppingRule, signals: Any, cut: int) -> None:
    whole = history(**signals)
    early, late = rule.advise(whole.until(cut)), rule.advise(whole)

    np.testing.assert_array_equal(early.stop, late.stop[:cut])
    np.testing.assert_array_equal(early.best, late.best[:cut])


@pytest.mark.parametrize("rule", EXAMPLES, ids=lambda rule: rule.type)
@given(signals=histories)
@settings(max_examples=30, deadline=None)
def test_the_policy_to_keep_is_a_past_one_and_never_an_earlier_one_than_before(
    rule: StoppingRule, signals: Any
) -> None:
    whole = history(**signals)
    advice = rule.advise(whole)

    assert (advice.best >= 0).all()
    assert (advice.best <= whole.steps).all()
    assert (np.diff(advice.best) >= 0).all()
    assert all(advice.reason(row) for row in np.flatnonzero(advice.stop))


@pytest.mark.parametrize("rule", EXAMPLES[1:], ids=lambda rule: rule.type)
def test_a_rule_that_sees_nothing_never_stops(rule: StoppingRule) -> None:
    assert rule.advise(history(kl=[0.1] * 60)).first is None


@pytest.mark.parametrize("rule", EXAMPLES, ids=lambda rule: rule.type)
def test_a_run_without_any_step_is_not_stopped(rule: StoppingRule) -> None:
    assert rule.advise(History.of([])).first is None


@pytest.mark.parametrize("rule", EXAMPLES, ids=lambda rule: rule.type)
def test_a_rule_is_its_configuration(rule: StoppingRule) -> None:
    assert TypeAdapter[Any](AnyRule).validate_python(rule.model_dump()) == rule


def test_every_rule_is_tested_here() -> None:
    shipped = {rule for rule in StoppingRule.__subclasses__() if rule.__module__.startswith("rlif.")}

    assert {type(rule) for rule in EXAMPLES} == shipped
    assert set(RULES.values()) == shipped


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("max_rewards", "no rule 'max_rewards'. Did you mean 'max_reward'"),
        ({"type": "max_reward", "patienc": 3}, "no option 'patienc'. Did you mean 'patience'"),
        ({"window": 3}, "a rule needs a type, one of: fixed_step, max_reward"),
        ({"type": "decline", "window": 9}, "fewest = 10 steps do not fit into a window of 9"),
        ({"type": "first_of", "rules": [{"type": "decline", "window": 9}]}, "do not fit into a window of 9"),
        (3, "valid dictionary"),
    ],
)
def test_a_rule_that_is_none_is_refused_with_those_there_are(given: Any, told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        TypeAdapter[Any](AnyRule).validate_python(given)


def test_a_rule_may_be_given_by_its_type_alone() -> None:
    assert TypeAdapter[Any](AnyRule).validate_python("healthy_range") == HealthyRange() == DEFAULT_RULE


def test_json_keeps_a_rule_though_it_has_no_number_for_infinity() -> None:
    text = json.dumps(HealthyRange().model_dump(mode="json"), allow_nan=False)
    assert TypeAdapter[Any](AnyRule).validate_python(json.loads(text)) == HealthyRange()


@pytest.mark.parametrize(
    ("rule", "fewest"),
    [
        (FixedStep(steps=4), 4),
        (FixedStep(steps=0), 1),  # the start is praised once there is a step
        (HealthyRange(window=2), 3),  # two steps of start, and one that is not all of them
        (MaxReward(window=3, patience=2), 5),  # a first mean at step 3, then two without a new maximum
        (Consensus(window=1, patience=3), 4),
        (Decline(window=6, fewest=5, threshold=0.5), 5),
        (Decline(window=5, fewest=5, threshold=0.5), 5),
        (FirstOf(rules=(HealthyRange(window=2), Decline(fewest=5))), 3),
    ],
)
def test_no_rule_speaks_before_the_fewest_steps_and_each_can_right_then(
    rule: StoppingRule, fewest: int
) -> None:
    fall = 0.1 ** np.arange(9)
    down = dict.fromkeys(("reward", "length_mean", "reasoning_rate", "majority_share"), fall)
    advice = rule.advise(history(**down, entropy=1 - fall))

    assert rule.fewest_steps == fewest
    assert advice.first == fewest - 1


# Each rule


def test_fixed_step_stops_after_so_many_updates_and_keeps_them() -> None:
    advice = FixedStep(steps=3).advise(history(reward=[0] * 5))

    assert advice.stop.tolist() == [False, False, True, True, True]
    assert advice.best.tolist() == [1, 2, 3, 3, 3]


def test_max_reward_keeps_the_policy_that_earned_the_maximum() -> None:
    # The record of step 3 is of the policy after 2 updates.
    advice = MaxReward(window=1, patience=2).advise(history(reward=[1, 2, 5, 4, 4.5, 6]))

    assert advice.stop.tolist() == [False, False, False, False, True, False]
    assert advice.best.tolist() == [0, 1, 2, 2, 2, 5]
    assert "above 5 for 2 steps; it is 4.5" in advice.reason(4)


def test_a_smoothed_peak_is_dated_to_the_middle_of_its_window() -> None:
    advice = MaxReward(window=3, patience=3).advise(history(reward=[0, 0, 3, 3, 3, 0, 0, 0]))

    # Means from step 3 on: 1, 2, 3, 2, 1, 0. The highest ends at step 5, its middle is step 4.
    assert advice.first == 7
    assert advice.best[7] == 3


@pytest.mark.parametrize("rule", [MaxReward(window=2, patience=2), Consensus(window=2, patience=2)])
def test_steps_without_a_value_neither_stop_a_run_nor_count_towards_patience(rule: StoppingRule) -> None:
    nan, [signal] = math.nan, rule.signals
    lost, gaps = [1, 2, 3, *[nan] * 20], [1, 5, nan, nan, 1, nan, nan, 1, nan]

    assert rule.advise(history(**{signal: lost})).first is None
    # Means of two steps: 3 at step 2, 1 at steps 5 and 8, the only two without a rise.
    advice = rule.advise(history(**{signal: gaps}))
    assert np.flatnonzero(advice.stop).tolist() == [7]
    assert advice.best[7] == 0  # the middle of steps 1 and 2 is step 1, of the policy after 0 updates
    assert "above 3 for 2 steps; it is 1" in advice.reason(7)


def test_consensus_watches_agreement_and_not_the_reward() -> None:
    up, down = [0.1, 0.2, 0.3, 0.4, 0.5], [0.9, 0.8, 0.7, 0.6, 0.5]
    rule = Consensus(window=1, patience=4)

    assert rule.advise(history(reward=up, majority_share=down)).first == 4
    assert rule.advise(history(reward=down, majority_share=up)).first is None


@pytest.mark.parametrize(("end", "stops"), [(29, True), (31, False), (65, True), (63, False)])
def test_healthy_range_stops_outside_on_either_side(end: float, stops: bool) -> None:
    rule = HealthyRange(window=2, length=(0.75, 1.6))
    advice = rule.advise(history(length_mean=[40, 40, 40, end, end]))

    assert (advice.first == 4) == stops


def test_healthy_range_goes_back_to_before_the_decline() -> None:
    lengths = [100] * 10 + [100 - 2 * i for i in range(1, 31)]
    advice = HealthyRange(window=1, length=(0.64, 1.5625)).advise(history(length_mean=lengths))

    # Below 64 at step 29; below half way, √0.64 = 0.8 of the start, at step 21; step 20 is after 19 updates.
    assert advice.first == 28
    assert advice.best[28] == 19
    assert "length_mean is 0.62 of its start (healthy: 0.64 to 1.5625)" in advice.reason(28)


def test_change_point_finds_a_shift_and_its_beginning_on_either_side() -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(size=60)
    for shift in (3, -3):
        lengths = 40 + noise + np.where(np.arange(60) >= 30, shift, 0)
        advice = ChangePoint().advise(history(length_mean=lengths))
        assert advice.first is not None
        assert 31 <= advice.first <= 40
        assert 20 <= advice.best[advice.first] <= 30
        assert ("rose" if shift > 0 else "fell") in advice.reason(advice.first)


def test_change_point_raises_few_false_alarms_on_noise_of_any_scale() -> None:
    rng = np.random.default_rng(1)
    alarms = 0
    for _ in range(200):
        scale, level = 10 ** rng.uniform(-4, 4, size=2)
        alarms += ChangePoint().advise(history(entropy=level + scale * rng.normal(size=50))).first is not None

    assert alarms <= 10  # 5%


def test_self_starting_standardisation_is_that_of_hawkins() -> None:
    from scipy.stats import norm, t

    x = np.array([2.0, 3.0, 1.0, 4.0, 9.0])
    expected = [0.0, 0.0]
    for n in (2, 3, 4):  # values before
        score = math.sqrt(n / (n + 1)) * (x[n] - x[:n].mean()) / x[:n].std(ddof=1)
        expected.append(norm.ppf(t.cdf(score, n - 1)))
    np.testing.assert_allclose(standardise(x), expected, atol=1e-9)


def test_decline_adds_up_weak_trends_that_point_the_same_way() -> None:
    rng = np.random.default_rng(2)
    x = np.arange(40) / 40
    falling = {
        "length_mean": 40 - 3 * x + rng.normal(size=40),
        "reasoning_rate": 0.6 - 0.3 * x + 0.1 * rng.normal(size=40),
        "entropy": 0.1 + 0.03 * x + 0.01 * rng.normal(size=40),
    }
    rising = {name: values[::-1] for name, values in falling.items()}

    stopped = Decline().advise(history(**falling))
    assert stopped.first is not None
    assert stopped.best[stopped.first] == max(0, stopped.first - 29)
    assert "entropy +" in stopped.reason(stopped.first)
    assert Decline().advise(history(**rising)).first is None


def test_first_of_stops_with_the_first_and_keeps_the_earliest() -> None:
    rule = FirstOf(rules=(FixedStep(steps=4), MaxReward(window=1, patience=2)))
    advice = rule.advise(history(reward=[1, 2, 0, 0, 0]))

    assert advice.stop.tolist() == [False, False, False, True, True]
    assert advice.best.tolist() == [0, 1, 1, 1, 1]
    assert "step 4 of 4; reward" in advice.reason(3)


# Windows


def test_trailing_mean_leaves_out_nan_and_waits_for_a_whole_window() -> None:
    got = trailing_mean(np.array([1, math.nan, 3, 5, math.nan, math.nan]), 2)

    np.testing.assert_array_equal(got, [math.nan, 1, 3, 4, 5, math.nan])


def test_trend_is_the_t_statistic_of_the_slope() -> None:
    values = np.random.default_rng(3).normal(size=12)
    got = trend(values, width=8, fewest=5)

    fit = linregress(np.arange(8), values[4:])
    assert got[-1] == pytest.approx(fit.slope / fit.stderr)
    fit = linregress(np.arange(5), values[:5])
    assert got[4] == pytest.approx(fit.slope / fit.stderr)
    assert np.isnan(got[:4]).all()


def test_a_constant_signal_has_no_trend_and_a_noiseless_one_a_bounded_one() -> None:
    assert trend(np.full(6, 0.1), 6, 5)[-1] == 0
    assert trend(np.arange(6.0), 6, 5)[-1] == 10
