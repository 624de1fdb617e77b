"""Each reward on a group worked out by hand, and what holds for all of them."""

import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from reward_groups import execution, group, problem, stats, verdict

from rlif.errors import UserError
from rlif.rewards import (
    ALL_REWARDS,
    FunctionalMajority,
    Need,
    Random,
    SelfCertainty,
    TokenEntropy,
    TrajectoryLogprob,
    UnitTests,
    needed,
)
from rlif.sandbox.types import Execution, RunStatus
from rlif.token_stats import completion_mask, token_stats, token_stats_reference

CRASH, TIMEOUT = RunStatus.RUNTIME_ERROR, RunStatus.TIMEOUT

# --- certainty, by hand ----------------------------------------------------------------------------------

# Three completions of 3, 1 and 0 tokens. Padding holds 99 here so that counting it shows.
MASK = [[1, 1, 1], [1, 0, 0], [0, 0, 0]]
VALUES = [[1.0, 2.0, 6.0], [4.0, 99, 99], [99, 99, 99]]


def test_self_certainty_is_the_mean_over_tokens():
    rewards = SelfCertainty()(group(3, token_stats=stats(MASK, self_certainty=VALUES)))
    assert_array_equal(rewards, [3.0, 4.0, np.nan])
    assert rewards.dtype == np.float64


def test_token_entropy_is_minus_the_mean_over_tokens():
    rewards = TokenEntropy()(group(3, token_stats=stats(MASK, entropy=VALUES)))
    assert_array_equal(rewards, [-3.0, -4.0, np.nan])


def test_trajectory_logprob_is_the_sum_or_the_mean():
    three = group(3, token_stats=stats(MASK, logprob=-np.array(VALUES)))
    assert_array_equal(TrajectoryLogprob()(three), [-9.0, -4.0, np.nan])
    assert_array_equal(TrajectoryLogprob(length_normalised=True)(three), [-3.0, -4.0, np.nan])


def test_torch_statistics_are_welcome():
    numbers = {"self_certainty": torch.tensor(VALUES), "mask": torch.tensor(MASK).bool()}
    zeros = {name: torch.zeros(3, 3) for name in ("logprob", "entropy", "max_prob", "margin")}
    from_torch = type(stats(MASK))(**numbers, **zeros)
    assert_array_equal(SelfCertainty()(group(3, token_stats=from_torch)), [3.0, 4.0, np.nan])


def test_sums_are_in_float64():
    # 1e8 + 1 − 1e8 is 0 in float32.
    values = np.array([[1e8, 1.0, -1e8]], dtype=np.float32)
    one = group(1, token_stats=stats([[1, 1, 1]], logprob=values))
    assert TrajectoryLogprob()(one).tolist() == [1.0]


# --- certainty, from logits ------------------------------------------------------------------------------

CERTAINTY = [SelfCertainty(), TokenEntropy(), TrajectoryLogprob(), TrajectoryLogprob(length_normalised=True)]
EOS = 0


@pytest.mark.parametrize("reward", CERTAINTY, ids=repr)
def test_certainty_from_logits_agrees_with_float64(reward):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(4, 6, 200, generator=generator) * 3
    ids = torch.randint(200, (4, 6), generator=generator)
    ids[1, 2] = EOS
    mask = completion_mask(ids, EOS)
    got = reward(group(4, token_stats=token_stats(logits, ids, mask=mask)))
    expected = reward(group(4, token_stats=token_stats_reference(logits, ids, mask=mask)))
    assert_allclose(got, expected, rtol=1e-6)


@pytest.mark.parametrize("reward", CERTAINTY, ids=repr)
def test_eos_counts_and_what_follows_does_not(reward):
    logits = torch.randn(1, 4, 9, generator=torch.Generator().manual_seed(0))
    ids = torch.tensor([[5, EOS, 7, 8]])

    def score(changed: int | None) -> float:
        other = logits.clone()
        if changed is not None:
            other[0, changed] *= 2
        return reward(group(1, token_stats=token_stats(other, ids, mask=completion_mask(ids, EOS)))).item()

    assert score(changed=1) != score(None)
    assert score(changed=2) == score(changed=3) == score(None)


values_and_mask = st.tuples(
    arrays(np.float32, (3, 4), elements=st.floats(0, 50, width=32)), arrays(bool, (3, 4))
)


@given(values_and_mask, st.integers(0, 3))
def test_padding_does_not_change_a_score(drawn, padding):
    values, mask = drawn
    more = np.pad(values, ((0, 0), (0, padding)), constant_values=99)
    longer = np.pad(mask, ((0, 0), (0, padding)))
    for reward in CERTAINTY:
        fields = dict.fromkeys(("logprob", "entropy", "self_certainty"), values)
        padded = dict.fromkeys(fields, more)
        assert_allclose(
            reward(group(3, token_stats=stats(longer, **padded))),
            reward(group(3, token_stats=stats(mask, **fields))),
            rtol=1e-12,
        )


# --- functional_majority ---------------------------------------------------------------------------------


def majority(*executions: Execution) -> list[float]:
    inputs = len(executions[0].outputs)
    return FunctionalMajority()(
        group(len(executions), problem=problem(public=inputs), executions=executions)
    ).tolist()


def test_agreement_by_hand():
    # Input 1: a a b a -> 2, 2, 0, 2 others agree. Input 2: x y y crash -> 0, 1, 1, 0. Of 2 inputs · 3 others.
    scores = majority(execution("a", "x"), execution("a", "y"), execution("b", "y"), execution("a", CRASH))
    assert scores == [2 / 6, 3 / 6, 1 / 6, 2 / 6]


def test_everyone_agrees_or_nobody_does():
    assert majority(*[execution("a", "b")] * 4) == [1.0] * 4
    assert majority(execution("a"), execution("b"), execution("c")) == [0.0] * 3


def test_failures_agree_with_nothing_not_even_with_each_other():
    assert majority(execution(CRASH), execution(CRASH), execution(TIMEOUT)) == [0.0] * 3


def test_returning_none_is_an_answer():
    functional = problem(public=1, kind="functional")
    both = group(2, problem=functional, executions=(execution(None), execution(None)))
    assert FunctionalMajority()(both).tolist() == [1.0, 1.0]


def test_nobody_to_agree_with_is_undefined():
    assert math.isnan(majority(execution("a"))[0])
    no_inputs = group(2, problem=problem(public=0), executions=(execution(), execution()))
    assert np.isnan(FunctionalMajority()(no_inputs)).all()


def test_outputs_must_belong_to_the_public_tests():
    with pytest.raises(ValueError, match="3 outputs for 2 public tests"):
        FunctionalMajority()(group(1, executions=(execution("a", "b", "c"),)))


@given(st.lists(st.tuples(*[st.sampled_from(["a", "b", CRASH])] * 3), min_size=2, max_size=6))
def test_agreement_is_the_pairwise_definition(programs):
    def agreement(i: int) -> float:
        pairs = [(programs[i][m], programs[j][m]) for j in range(len(programs)) if j != i for m in range(3)]
        return sum(a == b and a != CRASH for a, b in pairs) / len(pairs)

    expected = [agreement(i) for i in range(len(programs))]
    assert majority(*[execution(*program) for program in programs]) == pytest.approx(expected)


# --- unit_tests and random -------------------------------------------------------------------------------


def test_unit_tests_by_hand():
    three = group(3, verdicts=(verdict(True, True, True), verdict(True, False, True), verdict(False)))
    assert UnitTests()(three).tolist() == [1.0, 0.0, 0.0]
    # The last was graded up to its first failure: the other two of the three tests were not passed.
    assert UnitTests(fraction=True)(three).tolist() == [1.0, 2 / 3, 0.0]


def test_a_fraction_of_no_tests_is_undefined():
    no_tests = group(1, problem=problem(0, 0), verdicts=(verdict(),))
    assert np.isnan(UnitTests(fraction=True)(no_tests)).all()


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


# --- what holds for all of them --------------------------------------------------------------------------


def full_group(order: list[int]):
    """Four different completions that carry every signal, in the given order."""
    values = np.array([[1, 2, 3], [4, 5, 0], [6, 0, 0], [7, 8, 9]], dtype=np.float64)[order]
    executions = (execution("a", "x"), execution("a", "y"), execution("b", "y"), execution(CRASH, CRASH))
    verdicts = (verdict(True, True, True), verdict(True, False, False), verdict(False), verdict(True, False))
    return group(
        4,
        token_stats=stats(values > 0, logprob=-values, entropy=values / 9, self_certainty=values),
        executions=tuple(executions[i] for i in order),
        verdicts=tuple(verdicts[i] for i in order),
    )


every_reward = pytest.mark.parametrize("reward", [r() for r in ALL_REWARDS.values()], ids=list(ALL_REWARDS))


@every_reward
def test_scores_are_one_float_a_completion(reward):
    scores = reward(full_group([0, 1, 2, 3]))
    assert scores.shape == (4,)
    assert scores.dtype == np.float64
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("name", [name for name in ALL_REWARDS if name != "random"])
@pytest.mark.parametrize("order", [[3, 2, 1, 0], [1, 0, 3, 2], [2, 3, 0, 1]])
def test_scores_follow_their_completions(name, order):
    reward = ALL_REWARDS[name]()
    assert_allclose(reward(full_group(order)), reward(full_group([0, 1, 2, 3]))[order])


@every_reward
def test_a_missing_signal_is_named(reward):
    for need in reward.needs:
        with pytest.raises(UserError, match=f"needs {need.value}"):
            reward(group(2))
    if not reward.needs:
        assert len(reward(group(2))) == 2


@every_reward
def test_a_signal_of_another_group_is_refused(reward):
    signals = {
        "token_stats": stats([[1]] * 3),
        "executions": (execution("a", "b"),) * 3,
        "verdicts": (verdict(True),) * 3,
    }
    if reward.needs:
        with pytest.raises(ValueError, match="3 rows for a group of 2"):
            reward(group(2, **signals))


@every_reward
def test_the_weight_is_left_to_the_trainer(reward):
    heavier = reward.model_copy(update={"weight": 3.0})
    assert_array_equal(heavier(full_group([0, 1, 2, 3])), reward(full_group([0, 1, 2, 3])))


def test_needed_is_the_union():
    assert needed([]) == frozenset()
    assert needed([SelfCertainty(), TokenEntropy(), Random()]) == {Need.TOKEN_STATS}
    assert needed([UnitTests(), FunctionalMajority()]) == {Need.HIDDEN_TESTS, Need.EXECUTIONS}


def test_rewards_do_not_import_torch():
    code = "import sys, rlif.rewards; print('torch' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"
