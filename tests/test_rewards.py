"""Verifiable rewards and controls on groups worked out by hand, and what holds for all rewards."""

import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from reward_groups import completion, execution, group, problem, stats, verdict

from rlif.errors import UserError
from rlif.problems.types import TestCase
from rlif.rewards import (
    ALL_REWARDS,
    LEAVES,
    Constant,
    CoRewarding,
    Format,
    FunctionalMajority,
    Length,
    Need,
    Random,
    SelfCertainty,
    TokenEntropy,
    UnitTests,
    needed,
    parse_reward,
)
from rlif.rollouts import Ballot, RolloutGroup, Scorer, Scoring, Voters
from rlif.sandbox.types import RunStatus

CRASH = RunStatus.RUNTIME_ERROR

# --- verifiable and controls -----------------------------------------------------------------------------


def test_unit_tests_by_hand():
    three = group(3, verdicts=(verdict(True, True, True), verdict(True, False, True), verdict(False)))
    assert UnitTests()(three).tolist() == [1.0, 0.0, 0.0]
    # The last was graded up to its first failure: the other two of the three tests were not passed.
    assert UnitTests(fraction=True)(three).tolist() == [1.0, 2 / 3, 0.0]


def test_a_fraction_of_no_tests_is_undefined():
    no_tests = group(1, problem=problem(0, 0), verdicts=(verdict(),))
    assert np.isnan(UnitTests(fraction=True)(no_tests)).all()


def test_hidden_tests_are_those_after_the_public_ones():
    # Two public tests, then two hidden ones.
    tests = problem(public=2, hidden=2)
    verdicts = (verdict(True, True, False, True), verdict(False, True, True, True), verdict(True, True))
    three = group(3, problem=tests, verdicts=verdicts)
    assert UnitTests(tests="hidden")(three).tolist() == [0.0, 1.0, 0.0]
    assert UnitTests(tests="hidden", fraction=True)(three).tolist() == [0.5, 1.0, 0.0]


def test_public_tests_need_executions_and_no_verdict():
    expected = (TestCase("1", "one"), TestCase("2", "two"))
    programs = (execution("one", "two"), execution("one", "three"), execution("one", CRASH))
    three = group(3, problem=replace(problem(), public_tests=expected), executions=programs)
    reward = UnitTests(tests="public")
    assert reward.signals() == {Need.EXECUTIONS}
    assert reward(three).tolist() == [1.0, 0.0, 0.0]
    assert UnitTests(tests="public", fraction=True)(three).tolist() == [1.0, 0.5, 0.5]


def test_no_tests_that_count_leave_it_undefined():
    nothing_hidden = group(1, problem=problem(public=1, hidden=0), verdicts=(verdict(True),))
    assert UnitTests()(nothing_hidden).tolist() == [1.0]
    assert np.isnan(UnitTests(tests="hidden")(nothing_hidden)).all()
    nothing_public = group(1, problem=problem(public=0, hidden=1), executions=(execution(),))
    assert np.isnan(UnitTests(tests="public")(nothing_public)).all()


def test_random_depends_on_the_seed_alone():
    assert_array_equal(Random()(group(50, seed=3)), Random()(group(50, seed=3)))
    assert (Random()(group(50, seed=3)) != Random()(group(50, seed=4))).any()


def test_random_distributions():
    many = group(4000, seed=1)
    coin, biased, uniform = Random()(many), Random(p=0.1)(many), Random(distribution="uniform")(many)
    assert set(coin) == {0.0, 1.0}
    assert coin.mean() == pytest.approx(0.5, abs=0.04)  # five standard errors
    assert biased.mean() == pytest.approx(0.1, abs=0.024)
    assert uniform.mean() == pytest.approx(0.5, abs=0.023)
    assert len(set(uniform)) == 4000
    assert Random(p=0.0)(many).sum() == 0
    assert Random(p=1.0)(many).sum() == 4000


def test_length_by_hand():
    three = group(3, completions=(completion(5), completion(2), completion(0)))
    assert_array_equal(Length()(three), [-5, -2, np.nan])
    assert_array_equal(Length(prefer="longer")(three), [5, 2, np.nan])
    assert Length().why_undefined(three) == ("", "", "no token")


@pytest.mark.parametrize(
    ("code", "parses"),
    [
        ("print(1)", 1),
        ("print(1", 0),
        ("", 0),
        ("  \n", 0),
        ('"\\d"', 1),  # a warning is not an error
        ("x = 1\0", 0),
        ("\ud800", 0),
        ("(" * 20_000, 0),
        ("-" * 90_000 + "1", 0),  # deeper than the parser goes
        ("x = 1\n" * 30_000, 0),  # beyond what is read
    ],
)
def test_format_by_hand(code, parses):
    assert Format()(group(1, completions=(completion(1, code),))).tolist() == [parses]


def test_constant_is_constant():
    assert Constant(value=0.25)(group(3)).tolist() == [0.25] * 3


# --- what holds for all of them --------------------------------------------------------------------------


def full_group(order: list[int]) -> RolloutGroup:
    """Four different completions that carry every signal, in the given order."""
    values = np.array([[1, 2, 3], [4, 5, 0], [6, 0, 0], [7, 8, 9]], dtype=np.float64)[order]
    executions = (execution("a", "x"), execution("a", "x"), execution("b", "y"), execution(CRASH, CRASH))
    verdicts = (verdict(True, True, True), verdict(True, False, False), verdict(False), verdict(True, False))
    completions = (completion(3, "x"), completion(2, "y"), completion(1, "z("), completion(3, "x"))
    statistics = {"entropy": values / 9, "self_certainty": values, "margin": values / 10}
    return group(
        4,
        completions=tuple(completions[i] for i in order),
        token_stats=stats(values > 0, logprob=-values, **statistics),
        executions=tuple(executions[i] for i in order),
        verdicts=tuple(verdicts[i] for i in order),
        ballots={Ballot(Voters.EMA, 8): executions * 2},
        verifications=tuple(("yes", "no", "yes", "yes")[i] for i in order),
    )


PAIR = ["self_certainty", "functional_majority"]
COMBINATIONS = {
    "mixture": {"rewards": PAIR},
    "schedule": {"rewards": PAIR, "points": [{"step": 0, "weights": [1, 2]}]},
    "alternation": {"rewards": PAIR},
}
REWARDS = {name: parse_reward({"type": name, **COMBINATIONS.get(name, {})}) for name in ALL_REWARDS}
every_reward = pytest.mark.parametrize("reward", REWARDS.values(), ids=REWARDS)


@every_reward
def test_scores_are_one_float_a_completion(reward):
    scores = reward(full_group([0, 1, 2, 3]))
    assert scores.shape == (4,)
    assert scores.dtype == np.float64
    assert np.isfinite(scores).all()
    assert reward.why_undefined(full_group([0, 1, 2, 3])) == ("",) * 4


@pytest.mark.parametrize("name", [name for name in ALL_REWARDS if name not in ("random", "constant")])
def test_scores_tell_completions_apart(name):
    assert len(set(REWARDS[name](full_group([0, 1, 2, 3])))) > 1


@pytest.mark.parametrize("name", [name for name in ALL_REWARDS if name != "random"])
@pytest.mark.parametrize("order", [[3, 2, 1, 0], [1, 0, 3, 2], [2, 3, 0, 1]])
def test_scores_follow_their_completions(name, order):
    reward = REWARDS[name]
    assert_allclose(reward(full_group(order)), reward(full_group([0, 1, 2, 3]))[order], atol=1e-12)


@every_reward
def test_a_missing_signal_is_named(reward):
    for signal in reward.signals():
        field = {
            Need.TOKEN_STATS: {"token_stats": None},
            Need.EXECUTIONS: {"executions": None},
            Need.HIDDEN_TESTS: {"verdicts": None},
            Need.VERIFICATIONS: {"verifications": None},
        }.get(signal, {"ballots": {}})
        if reward.type == "alternation" and signal == Need.EXECUTIONS:
            field["step"] = 1  # its turn
        with pytest.raises(UserError, match=f"needs {re.escape(str(signal))}, which this rollout group"):
            reward(replace(full_group([0, 1, 2, 3]), **field))
    if not reward.signals():
        assert len(reward(group(2))) == 2


@every_reward
def test_a_signal_of_another_group_is_refused(reward):
    signals = {
        "token_stats": stats([[1]] * 3),
        "executions": (execution("a", "b"),) * 3,
        "verdicts": (verdict(True),) * 3,
        "verifications": ("yes",) * 3,
    }
    if reward.signals():
        with pytest.raises(ValueError, match="3 rows for a group of 2"):
            reward(group(2, **signals))


@every_reward
def test_the_weight_is_left_to_the_mixture(reward):
    heavier = reward.model_copy(update={"weight": 3.0})
    assert_array_equal(heavier(full_group([0, 1, 2, 3])), reward(full_group([0, 1, 2, 3])))


@pytest.mark.parametrize("name", LEAVES)
def test_a_group_of_one_is_scored_or_undefined_but_never_zero(name):
    one = full_group([0])
    alone = replace(
        one,
        completions=one.completions[:1],
        token_stats=one.token_stats.rows(0, 1),
        executions=one.executions[:1],
        verdicts=one.verdicts[:1],
        verifications=one.verifications[:1],
    )
    score = REWARDS[name](alone).item()
    if name != "random":
        assert np.isnan(score) or score != 0
    assert bool(REWARDS[name].why_undefined(alone)[0]) == np.isnan(score)


def test_needed_is_the_union():
    assert needed([]) == frozenset()
    assert needed([SelfCertainty(), TokenEntropy(), Random()]) == {Need.TOKEN_STATS}
    assert needed([UnitTests(), FunctionalMajority()]) == {Need.HIDDEN_TESTS, Need.EXECUTIONS}
    frozen = Scoring(Scorer.INITIAL, "sampling")
    rewards = [SelfCertainty(scorer=Scorer.INITIAL, temperature="sampling"), CoRewarding(samples=2)]
    assert needed(rewards) == {frozen, Need.EXECUTIONS, Ballot(Voters.EMA, 2)}


def test_rewards_do_not_import_torch():
    code = "import sys, rlif.rewards; print('torch' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"
