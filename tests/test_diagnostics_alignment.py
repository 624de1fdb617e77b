"""The reward against the truth, by hand and by its symmetries."""

import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reward_groups import group, verdict

from rlif.diagnostics.alignment import (
    auroc,
    correlation,
    false_rates,
    label_accuracy,
    reward_accuracy,
    summarise_alignment,
)
from rlif.rollouts import RolloutGroup

PAIRS = st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=2, max_size=12)


def judged(*passed: bool) -> RolloutGroup:
    return group(len(passed), verdicts=tuple(verdict(right) for right in passed))


def arrays(pairs: list[tuple[int, bool]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([score for score, _ in pairs], dtype=float), np.array([right for _, right in pairs])


# Within a group


def test_auroc_by_hand() -> None:
    scores = np.array([3.0, 2.0, 2.0, 1.0])
    # Positives 3 and 2 against negatives 2 and 1: above, above, equal, above = 3.5 of 4.
    assert auroc(scores, np.array([True, True, False, False])) == pytest.approx(3.5 / 4)
    assert math.isnan(auroc(scores, np.array([True] * 4)))
    assert math.isnan(auroc(scores, np.array([False] * 4)))


@given(PAIRS)
def test_auroc_turns_round_with_the_reward(pairs: list[tuple[int, bool]]) -> None:
    scores, right = arrays(pairs)
    forward, backward = auroc(scores, right), auroc(-scores, right)
    assert math.isnan(forward) == math.isnan(backward) == (len(set(right.tolist())) == 1)
    if not math.isnan(forward):
        assert forward + backward == pytest.approx(1.0)
        assert auroc(np.exp(scores), right) == pytest.approx(forward)  # only the order counts


def test_label_accuracy_counts_ties_by_chance() -> None:
    right = np.array([True, False, False, True])
    assert label_accuracy(np.array([1.0, 1.0, 1.0, 0.0]), right) == pytest.approx(1 / 3)
    assert label_accuracy(np.array([0.0, 0.0, 0.0, 5.0]), right) == 1.0


def test_correlation_by_hand() -> None:
    assert correlation(np.array([1.0, 2.0, 3.0]), np.array([6.0, 4.0, 2.0])) == pytest.approx(-1.0)
    assert math.isnan(correlation(np.ones(3), np.array([1.0, 2.0, 3.0])))
    assert math.isnan(correlation(np.array([-np.inf, 2.0, 3.0]), np.array([1.0, 2.0, 3.0])))


def test_a_constant_whose_mean_is_rounded_is_still_constant() -> None:
    tenths = np.full(3, 0.1)
    assert (tenths - tenths.mean()).any()  # the trap
    assert math.isnan(correlation(tenths, np.array([1.0, 2.0, 3.0])))


def test_the_correlation_with_passing_is_point_biserial() -> None:
    rewards, right = np.array([3.0, 1.0, 2.0, 0.0]), np.array([True, False, True, False])
    # (mean of passing − mean of failing) / standard deviation · √(p q), with the deviation of all four.
    by_hand = (2.5 - 0.5) / math.sqrt(1.25) * math.sqrt(0.5 * 0.5)
    found = summarise_alignment([judged(*right)], [rewards])
    assert found["reward_truth_corr"] == pytest.approx(by_hand)


# The reward as a label


def test_false_rates_by_hand() -> None:
    # Mean 2: of the failing (3, 1, 2) one is raised; of the passing (4, 0) one is lowered.
    scored = [(np.array([4.0, 3.0, 1.0, 0.0, 2.0]), np.array([True, False, False, True, False]))]
    assert false_rates(scored) == pytest.approx((1 / 3, 1 / 2))


def test_a_group_without_spread_raises_and_lowers_nobody() -> None:
    assert false_rates([(np.full(3, 0.1), np.array([True, False, False]))]) == (0.0, 0.0)


def test_false_rates_need_somebody_to_be_wrong_about() -> None:
    rewards = np.array([1.0, 2.0])
    assert false_rates([(rewards, np.array([True, True]))]) == pytest.approx((math.nan, 0.5), nan_ok=True)
    assert false_rates([(rewards, np.array([False, False]))]) == pytest.approx((0.5, math.nan), nan_ok=True)
    assert all(math.isnan(rate) for rate in false_rates([]))


@given(PAIRS)
def test_what_raises_the_wrong_lowers_them_when_turned_round(pairs: list[tuple[int, bool]]) -> None:
    rewards, right = arrays(pairs)
    rates = false_rates([(rewards, right)])
    assert false_rates([(-rewards, ~right)]) == pytest.approx(rates[::-1], nan_ok=True)
    assert false_rates([(3 * rewards + 7, right)]) == pytest.approx(rates, nan_ok=True)
    truth = right.astype(float)
    assert false_rates([(truth, right)]) == pytest.approx(
        (0.0 if not right.all() else math.nan, 0.0 if right.any() else math.nan), nan_ok=True
    )


def test_reward_accuracy_of_labels_only() -> None:
    right = np.array([True, False, False, True])
    assert reward_accuracy([(np.array([1.0, 1.0, 0.0, 1.0]), right)]) == 3 / 4
    assert reward_accuracy([(np.ones(4), ~right), (np.zeros(4), right)]) == 1 / 2
    assert math.isnan(reward_accuracy([(np.array([1.0, 0.5, 0.0, 1.0]), right)]))
    assert math.isnan(reward_accuracy([]))


def test_a_wrong_majority_is_seen_by_reward_accuracy_though_nothing_is_trained() -> None:
    found = summarise_alignment([judged(False, False, False)], [np.ones(3)])
    assert (found["reward_accuracy"], found["false_positive_rate"], found["pass_rate"]) == (0.0, 0.0, 0.0)


# A step


def test_a_step_by_hand() -> None:
    groups = [judged(True, False, False), judged(False, False, False), group(3)]
    rewards = [np.array([1.0, 0.0, 1.0]), np.array([0.0, 0.0, 1.0]), np.array([9.0, 9.0, 9.0])]
    found = summarise_alignment(groups, rewards)
    assert found == pytest.approx(
        {
            "pass_rate": 1 / 6,
            "pass_any": 1 / 2,
            "reward_truth_auroc": 0.75,  # the mixed group alone: above one, equal to the other
            "reward_truth_corr": 0.5,  # of (1, 0, 1) and (1, 0, 0)
            "label_accuracy": (1 / 2 + 0) / 2,
            "reward_accuracy": 4 / 6,
            "false_positive_rate": 2 / 5,
            "false_negative_rate": 0.0,
        }
    )


def test_a_group_with_an_undefined_reward_counts_for_the_pass_rates_only() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for undefined in (math.nan, -math.inf):
            found = summarise_alignment([judged(True, False)], [np.array([undefined, 1.0])])
            assert {name for name, value in found.items() if not math.isnan(value)} == {
                "pass_rate",
                "pass_any",
            }
