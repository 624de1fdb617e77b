"""Normalisation within the group, and rewards made of others: by hand, and what holds in general."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from reward_groups import completion, execution, group, problem, stats

from rlif.errors import UserError
from rlif.rewards import (
    Alternation,
    Constant,
    FunctionalMajority,
    Length,
    Mixture,
    Need,
    Schedule,
    SelfCertainty,
    TokenEntropy,
    parse_reward,
    z_scores,
)

# --- z_scores --------------------------------------------------------------------------------------------


def test_z_scores_by_hand():
    # Mean 4, deviations −3 1 2, variance 14/3.
    normalised = z_scores(np.array([1.0, 5.0, 6.0]))
    assert_allclose(normalised.values, np.array([-3, 1, 2]) / math.sqrt(14 / 3))
    assert not normalised.zero_variance


def test_what_is_undefined_stays_so_and_does_not_count():
    assert_array_equal(z_scores(np.array([1.0, np.nan, 3.0])).values, [-1, np.nan, 1])
    nothing = z_scores(np.array([np.nan, np.nan]))
    assert np.isnan(nothing.values).all()
    assert not nothing.zero_variance


@pytest.mark.parametrize(
    "equal", [[2.0, 2.0, 2.0], [0.0, 0.0], [7.0], [0.1 + 0.2, 0.3], [12.0, np.float32(12) + 1e-6]]
)
def test_equal_rewards_are_zeros_and_flagged(equal):
    normalised = z_scores(np.array(equal, dtype=np.float64))
    assert not normalised.values.any()
    assert normalised.zero_variance


def test_a_small_spread_is_a_spread():
    assert z_scores(np.array([12.000, 12.001])).values.tolist() == pytest.approx([-1, 1])


def test_an_infinite_reward_is_refused():
    with pytest.raises(ValueError, match="must be numbers or NaN"):
        z_scores(np.array([1.0, math.inf]))


values = arrays(np.float64, st.integers(2, 8), elements=st.integers(-50, 50))


@given(values, st.floats(1e-3, 1e5), st.integers(-5, 5))
def test_neither_scale_nor_offset_matters(scores, scale, offset):
    normalised, moved = z_scores(scores), z_scores(scale * (scores + offset))
    assert normalised.zero_variance == moved.zero_variance == (len(set(scores)) == 1)
    assert_allclose(moved.values, normalised.values, atol=1e-9)


@given(values)
def test_mean_zero_and_standard_deviation_one(scores):
    normalised = z_scores(scores)
    assert normalised.values.mean() == pytest.approx(0, abs=1e-12)
    if not normalised.zero_variance:
        assert normalised.values.std() == pytest.approx(1)


# --- mixture ---------------------------------------------------------------------------------------------


def pair(certainty: list[float], outputs: list[object], **facts):
    """Completions with these self-certainties, whose programs print these on one public input."""
    statistics = stats(
        [[0 if math.isnan(c) else 1] for c in certainty], self_certainty=[[c] for c in certainty]
    )
    programs = tuple(execution(str(output)) for output in outputs)
    tokens = tuple(completion(i + 1) for i in range(len(certainty)))
    return group(
        len(certainty),
        **({"problem": problem(public=1), "completions": tokens} | facts),
        token_stats=statistics,
        executions=programs,
    )


MIX = Mixture(rewards=(FunctionalMajority(weight=0.7), SelfCertainty(weight=0.3)))


def test_mixture_by_hand():
    # Agreement 1/2 1/2 0: z = (1, 1, −2)/√2. Self-certainty 1000 3000 2000: z = (−1, 1, 0)·√(3/2).
    three = pair([1000, 3000, 2000], ["a", "a", "b"])
    agreement, certainty = np.array([1, 1, -2]) / math.sqrt(2), np.array([-1, 1, 0]) * math.sqrt(3 / 2)
    assert_allclose(MIX(three), 0.7 * agreement + 0.3 * certainty)
    parts = MIX.breakdown(three).parts
    assert [(part.reward.type, part.weight) for part in parts] == [
        ("functional_majority", 0.7),
        ("self_certainty", 0.3),
    ]
    assert parts[1].scores.tolist() == [1000, 3000, 2000]
    assert_allclose(parts[1].normalised, certainty)


def test_a_part_without_variance_adds_zeros_and_is_flagged():
    same_output = pair([1, 3], ["a", "a"])
    assert_allclose(MIX(same_output), [-0.3, 0.3])
    assert [part.zero_variance for part in MIX.breakdown(same_output).parts] == [True, False]
    all_equal = pair([2, 2], ["a", "a"])
    assert MIX(all_equal).tolist() == [0, 0]
    assert [part.zero_variance for part in MIX.breakdown(all_equal).parts] == [True, True]


def test_one_undefined_part_leaves_the_completion_undefined_and_says_why():
    one_empty = pair([1, math.nan, 3], ["a", "a", "b"])
    assert np.isnan(MIX(one_empty)).tolist() == [False, True, False]
    assert MIX.why_undefined(one_empty) == ("", "self_certainty: no token", "")


def test_a_group_of_one_says_who_cannot_score_it():
    assert MIX.why_undefined(pair([1], ["a"])) == ("functional_majority: G = 1, or no public inputs",)


def test_scales_are_never_summed_raw():
    # Lengths of 10,000 tokens beside certainties a thousandth apart: each decides half.
    three = pair([1.000, 1.001, 1.002], ["a"] * 3, completions=tuple(completion(n) for n in (1, 10_000, 1)))
    mix = Mixture(rewards=(Length(prefer="longer"), SelfCertainty()))
    assert_allclose(
        mix(three), np.array([-1, 2, -1]) / math.sqrt(2) + np.array([-1, 0, 1]) * math.sqrt(3 / 2), rtol=1e-6
    )


def test_a_reward_of_weight_zero_is_not_computed():
    mix = Mixture(rewards=(FunctionalMajority(weight=0), SelfCertainty()))
    no_programs = group(2, token_stats=stats([[1], [1]], self_certainty=[[1], [3]]))
    assert mix(no_programs).tolist() == [-1, 1]


def test_needs_are_those_of_the_rewards():
    assert MIX.signals() == {Need.EXECUTIONS, Need.TOKEN_STATS}


@given(values, values, st.randoms())
def test_mixtures_do_not_depend_on_the_order_of_the_group(a, b, random):
    size = min(len(a), len(b))
    order = random.sample(range(size), size)
    first = pair(a[:size].tolist(), b[:size].tolist())
    second = pair(a[order].tolist(), b[order].tolist())
    assert_allclose(MIX(second), MIX(first)[order], atol=1e-12)


# --- schedule --------------------------------------------------------------------------------------------

RAMP = Schedule(
    rewards=("functional_majority", "self_certainty"),
    points=({"step": 10, "weights": (1, 0)}, {"step": 30, "weights": (0, 2)}),
)


@pytest.mark.parametrize(
    ("step", "weights"),
    [(0, [1, 0]), (10, [1, 0]), (15, [0.75, 0.5]), (20, [0.5, 1]), (30, [0, 2]), (99, [0, 2])],
)
def test_weights_are_linear_between_points_and_constant_outside(step, weights):
    assert RAMP.weights_at(step) == weights
    three = pair([1000, 3000, 2000], ["a", "a", "b"], step=step)
    agreement, certainty = np.array([1, 1, -2]) / math.sqrt(2), np.array([-1, 1, 0]) * math.sqrt(3 / 2)
    assert_allclose(RAMP(three), weights[0] * agreement + weights[1] * certainty)


def test_what_has_no_weight_yet_cannot_make_scores_undefined():
    assert not np.isnan(RAMP(pair([1, math.nan], ["a", "a"], step=0))).any()
    assert np.isnan(RAMP(pair([1, math.nan], ["a", "a"], step=20))).tolist() == [False, True]
    assert RAMP.why_undefined(pair([1, math.nan], ["a", "a"], step=20))[1] == "self_certainty: no token"


# --- alternation -----------------------------------------------------------------------------------------


def test_rewards_take_turns():
    turns = Alternation(rewards=("self_certainty", "length", "constant"), every=2)
    seen = [turns(pair([5, 6], ["a", "b"], step=step)).tolist() for step in range(8)]
    assert seen == [[5, 6]] * 2 + [[-1, -2]] * 2 + [[1, 1]] * 2 + [[5, 6]] * 2
    assert turns.at(3) == Length()
    empty = pair([5, math.nan], ["a", "b"])
    assert turns.why_undefined(empty) == ("", "no token")


# --- configuration ---------------------------------------------------------------------------------------


def test_rewards_may_be_types_or_tables():
    mix = parse_reward({"type": "mixture", "rewards": ["self_certainty", {"type": "constant", "value": 2}]})
    assert mix == Mixture(rewards=(SelfCertainty(), Constant(value=2)))
    assert parse_reward(mix.model_dump(mode="json")) == mix
    assert parse_reward(RAMP.model_dump(mode="json")) == RAMP
    assert hash(mix) == hash(parse_reward(mix.model_dump()))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"type": "mixture"}, "rewards = "),
        ({"type": "mixture", "rewards": ["self_certainty"]}, "at least 2"),
        ({"type": "mixture", "rewards": ["self_certainty", "lenght"]}, "Did you mean 'length'?"),
        ({"type": "mixture", "rewards": ["length", {"type": "random", "q": 1}]}, "has no option 'q'"),
        ({"type": "mixture", "rewards": ["length", {"type": "mixture"}]}, "There is no reward 'mixture'"),
        ({"type": "mixture", "rewards": ["length", 3]}, "A reward is a type or a table with one; got 3"),
        ({"type": "mixture", "rewards": "length"}, "should be a valid tuple"),
        (
            {
                "type": "mixture",
                "rewards": [{"type": "length", "weight": 0}, {"type": "format", "weight": 0}],
            },
            "all weights are 0",
        ),
        ({"type": "schedule", "rewards": ["length", "format"], "points": []}, "at least 1"),
        (
            {
                "type": "schedule",
                "rewards": ["length", "format"],
                "points": [{"step": 5, "weights": [1, 1]}, {"step": 5, "weights": [1, 0]}],
            },
            "must rise; got [5, 5]",
        ),
        (
            {"type": "schedule", "rewards": ["length", "format"], "points": [{"step": 0, "weights": [1]}]},
            "a weight for each of 2 rewards",
        ),
        (
            {"type": "schedule", "rewards": ["length", "format"], "points": [{"step": 0, "weights": [0, 0]}]},
            "one of them above 0",
        ),
        ({"type": "alternation", "rewards": ["length", "format"], "every": 0}, "every = 0"),
    ],
)
def test_mistakes_are_answered_with_a_fix(spec, message):
    with pytest.raises(UserError) as raised:
        parse_reward(spec)
    assert message in str(raised.value)


def test_token_entropy_and_self_certainty_mix_to_more_than_either():
    statistics = stats([[1]] * 3, self_certainty=[[1], [2], [3]], entropy=[[1], [3], [2]])
    mix = Mixture(rewards=(SelfCertainty(), TokenEntropy()))
    assert_allclose(
        mix(group(3, token_stats=statistics)), np.array([0, -1, 1]) * math.sqrt(3 / 2), atol=1e-12
    )
