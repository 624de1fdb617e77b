"""Each certainty reward on a group worked out by hand, its options, and what holds for all of them."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from reward_groups import completion, execution, group, stats

from rlif.errors import UserError
from rlif.rewards import (
    RLSC,
    ClusterCertainty,
    MeanProbability,
    Need,
    Probability,
    ProbabilityMargin,
    SelfCertainty,
    TokenEntropy,
    TrajectoryLogprob,
)
from rlif.rollouts import Scorer, Scoring, TokenStats
from rlif.sandbox.types import RunStatus
from rlif.token_stats import completion_mask, token_stats, token_stats_reference

# --- by hand ---------------------------------------------------------------------------------------------

# Three completions of 3, 1 and 0 tokens. Padding holds 99 here so that counting it shows.
MASK = [[1, 1, 1], [1, 0, 0], [0, 0, 0]]
VALUES = [[1.0, 2.0, 6.0], [4.0, 99, 99], [99, 99, 99]]


def three(**values) -> object:
    return group(3, token_stats=stats(MASK, **values))


def test_self_certainty_is_the_mean_over_tokens():
    rewards = SelfCertainty()(three(self_certainty=VALUES))
    assert_array_equal(rewards, [3.0, 4.0, np.nan])
    assert rewards.dtype == np.float64


def test_token_entropy_is_minus_the_mean_over_tokens():
    assert_array_equal(TokenEntropy()(three(entropy=VALUES)), [-3.0, -4.0, np.nan])


def test_trajectory_logprob_is_the_sum_or_the_mean():
    unlikely = three(logprob=-np.array(VALUES))
    assert_array_equal(TrajectoryLogprob()(unlikely), [-9.0, -4.0, np.nan])
    assert_array_equal(TrajectoryLogprob(length_normalised=True)(unlikely), [-3.0, -4.0, np.nan])


def test_mean_probability_is_the_mean_of_probabilities_not_of_their_logarithms():
    # Probabilities 1, ½ and ¼ have the mean 7/12, where the mean log-probability gives ½.
    logprob = np.log([[1, 1 / 2, 1 / 4], [0.3, 1, 1], [1, 1, 1]])
    assert_allclose(MeanProbability()(three(logprob=logprob)), [7 / 12, 0.3, np.nan])


def test_probability_margin_is_the_mean_over_tokens():
    margin = [[0.9, 0.5, 0.1], [0.25, 9, 9], [9, 9, 9]]
    assert_allclose(ProbabilityMargin()(three(margin=margin)), [0.5, 0.25, np.nan])


def test_probability_ranks_by_the_whole_completions_probability():
    logprob = [[-1, -1], [-3, 0], [-0.5, -0.5], [-2, 0]]  # sums −2, −3, −1, −2
    four = group(4, token_stats=stats([[1, 1]] * 4, logprob=logprob))
    # Above one and level with one of three others; above none; above all.
    assert Probability()(four).tolist() == [0.5, 0.0, 1.0, 0.5]
    assert_allclose(Probability(scale="relative")(four), np.exp([-1, -2, 0, -1]))


def test_probability_does_not_underflow():
    # e^−2000 is 0 in any floating type; URLVR's code would score all three 0.
    logprob = [[-2000.0], [-2001.0], [-2002.0]]
    unlikely = group(3, token_stats=stats([[1]] * 3, logprob=logprob))
    assert Probability()(unlikely).tolist() == [1.0, 0.5, 0.0]
    assert_allclose(Probability(scale="relative")(unlikely), [1, math.exp(-1), math.exp(-2)])


def test_rlsc_is_the_probability_plus_alpha():
    # Sums of log-probabilities: log ½ and log ¼ (RLSC, equations 5 and 6, and table 1).
    logprob = np.log([[1.0, 0.5], [0.5, 0.5]])
    two = group(2, token_stats=stats([[1, 1]] * 2, logprob=logprob))
    assert_allclose(RLSC(alpha=0)(two), [0.5, 0.25])
    assert_allclose(RLSC()(two), [0.6, 0.35])
    assert_allclose(RLSC(functional="entropy")(two), [1 + math.log(0.5), 1 + math.log(0.25)])


def test_cluster_certainty_adds_two_z_scores():
    # Classes a a b crash: sizes 2 2 1 0, mean 5/4, variance 11/16. Self-certainties 1 3 1 3: z −1 1 −1 1.
    programs = (execution(1, 1), execution(1, 1), execution(1, 2), execution(1, RunStatus.TIMEOUT))
    certainty = stats([[1]] * 4, self_certainty=[[1], [3], [1], [3]])
    four = group(4, token_stats=certainty, executions=programs)
    z = np.array([3, 3, -1, -5]) / math.sqrt(11)
    assert_allclose(ClusterCertainty()(four), 0.5 * z + 0.5 * np.array([-1, 1, -1, 1]))
    assert_allclose(ClusterCertainty(cluster_weight=1, certainty_weight=0)(four), z)


def test_torch_statistics_are_welcome():
    numbers = {"self_certainty": torch.tensor(VALUES), "mask": torch.tensor(MASK).bool()}
    zeros = {name: torch.zeros(3, 3) for name in ("logprob", "entropy", "max_prob", "margin")}
    assert_array_equal(SelfCertainty()(group(3, token_stats=TokenStats(**numbers, **zeros))), [3, 4, np.nan])


def test_sums_are_in_float64():
    # 1e8 + 1 − 1e8 is 0 in float32.
    values = np.array([[1e8, 1.0, -1e8]], dtype=np.float32)
    one = group(1, token_stats=stats([[1, 1, 1]], logprob=values))
    assert TrajectoryLogprob()(one).tolist() == [1.0]


# --- options ---------------------------------------------------------------------------------------------


def with_program(start: int | None, **signals):
    """One completion of four tokens, certainties 1 2 3 10, whose program starts at token `start`."""
    certainty = stats([[1, 1, 1, 1]], self_certainty=[[1.0, 2.0, 3.0, 10.0]])
    return group(1, token_stats=certainty, completions=(completion(4, "x", code_start=start),), **signals)


def test_tokens_may_be_those_of_the_program_or_of_the_reasoning_before_it():
    assert SelfCertainty(tokens="all")(with_program(2)).tolist() == [4.0]
    assert SelfCertainty(tokens="reasoning")(with_program(2)).tolist() == [1.5]
    assert SelfCertainty(tokens="code")(with_program(2)).tolist() == [6.5]


@pytest.mark.parametrize(("start", "tokens"), [(0, "reasoning"), (None, "reasoning"), (None, "code")])
def test_no_token_of_the_kind_asked_for_is_undefined(start, tokens):
    reward = SelfCertainty(tokens=tokens)
    assert np.isnan(reward(with_program(start)))
    assert reward.why_undefined(with_program(start)) == (f"no {tokens} token",)


@pytest.mark.parametrize("scorer", Scorer)
@pytest.mark.parametrize("temperature", ["run", "model", "sampling"])
def test_scorer_and_temperature_choose_the_statistics(scorer, temperature):
    reward = SelfCertainty(scorer=scorer, temperature=temperature)
    wanted = Scoring(scorer, temperature)
    if wanted == Scoring():
        assert reward.signals() == {Need.TOKEN_STATS}
        return
    assert reward.signals() == {wanted}
    with pytest.raises(UserError, match=f"needs token_stats by the {scorer} model at the {temperature} temp"):
        reward(with_program(0))
    other = stats([[1, 1, 1, 1]], self_certainty=[[5.0] * 4])
    assert reward(with_program(0, scored={wanted: other})).tolist() == [5.0]


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.inf, math.nan])
def test_statistics_at_no_temperature_are_refused(temperature):
    cold = replace(stats([[1]], self_certainty=[[1.0]]), temperature=temperature)
    with pytest.raises(UserError, match="cannot be taken at temperature"):
        SelfCertainty()(group(1, token_stats=cold))


# --- bad input -------------------------------------------------------------------------------------------

CERTAINTY = [
    SelfCertainty(),
    TokenEntropy(),
    TrajectoryLogprob(),
    TrajectoryLogprob(length_normalised=True),
    Probability(scale="relative"),
    Probability(),
    MeanProbability(),
    RLSC(),
    RLSC(functional="entropy"),
    ProbabilityMargin(),
]
every_certainty = pytest.mark.parametrize("reward", CERTAINTY, ids=repr)
STATISTICS = ("logprob", "entropy", "self_certainty", "max_prob", "margin")


@every_certainty
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_statistic_that_is_not_finite_leaves_its_completion_alone_undefined(reward, bad):
    values = [[-0.1, -0.2], [-0.3, bad], [-0.5, -0.6]]
    scores = reward(group(3, token_stats=stats([[1, 1]] * 3, **dict.fromkeys(STATISTICS, values))))
    assert np.isnan(scores).tolist() == [False, True, False]
    why = reward.why_undefined(group(3, token_stats=stats([[1, 1]] * 3, **dict.fromkeys(STATISTICS, values))))
    assert why == ("", "a token statistic is not finite", "")


@every_certainty
def test_logits_that_are_not_finite_give_no_score(reward):
    logits = torch.randn(2, 3, 8)
    logits[0, 1, 2] = math.nan
    two = group(2, token_stats=token_stats(logits, torch.zeros(2, 3, dtype=torch.long)))
    scores = reward(two)
    assert np.isnan(scores[0])
    alone = isinstance(reward, Probability) and reward.scale == "rank"  # nobody left to compare with
    assert np.isnan(scores[1]) == alone
    if alone:
        assert reward.why_undefined(two)[1] == "no other completion to compare with"


@every_certainty
def test_an_empty_completion_has_no_score_and_says_why(reward):
    values = {name: [[-1.0], [-1.0], [-2.0]] for name in STATISTICS}
    one_empty = group(3, token_stats=stats([[0], [1], [1]], **values))
    assert np.isnan(reward(one_empty)).tolist() == [True, False, False]
    assert reward.why_undefined(one_empty)[0] == "no token"


@every_certainty
def test_a_truncated_completion_is_scored_on_the_tokens_it_has(reward):
    values = {name: [[-1.0], [-2.0]] for name in STATISTICS}
    signals = {"token_stats": stats([[1], [1]], **values)}
    cut = tuple(completion(1, finished=False) for _ in range(2))
    assert_array_equal(reward(group(2, completions=cut, **signals)), reward(group(2, **signals)))


@every_certainty
def test_equal_completions_score_the_same(reward):
    values = dict.fromkeys(STATISTICS, [[-1.0, -2.0]] * 4)
    scores = reward(group(4, token_stats=stats([[1, 1]] * 4, **values)))
    assert len(set(scores.tolist())) == 1


# --- from logits -----------------------------------------------------------------------------------------

EOS = 0


def drawn(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(4, 6, 200, generator=generator) * 3
    ids = torch.randint(200, (4, 6), generator=generator)
    ids[1, 2] = EOS
    return logits, ids


@every_certainty
def test_certainty_from_logits_agrees_with_float64(reward):
    logits, ids = drawn()
    mask = completion_mask(ids, EOS)
    got = reward(group(4, token_stats=token_stats(logits, ids, mask=mask)))
    expected = reward(group(4, token_stats=token_stats_reference(logits, ids, mask=mask)))
    # A probability of a sum S of logarithms has the absolute error of S as its relative one.
    assert_allclose(got, expected, rtol=2e-5 if isinstance(reward, Probability | RLSC) else 1e-6)


def test_self_certainty_is_the_divergence_of_the_uniform_distribution():
    logits, ids = drawn()
    logits, ids = logits.double(), ids
    uniform = torch.full((200,), 1 / 200, dtype=torch.float64)
    divergence = (uniform * (uniform.log() - logits.log_softmax(-1))).sum(-1).mean(-1)
    scores = SelfCertainty()(group(4, token_stats=token_stats(logits, ids)))
    assert_allclose(scores, divergence.numpy(), rtol=1e-12)
    assert (scores >= 0).all()
    flat = token_stats(torch.zeros(1, 3, 50), torch.zeros(1, 3, dtype=torch.long))
    assert SelfCertainty()(group(1, token_stats=flat)).item() == pytest.approx(0, abs=1e-12)


@given(st.integers(0, 20), st.floats(0.1, 30))
def test_published_bounds(seed, sharpness):
    logits, ids = drawn(seed)
    four = group(4, token_stats=token_stats(logits * sharpness / 3, ids))
    assert (SelfCertainty()(four) >= 0).all()
    assert (TokenEntropy()(four) <= 1e-6).all()
    assert (TokenEntropy()(four) >= -math.log(200) - 1e-5).all()
    assert (TrajectoryLogprob()(four) <= 0).all()
    for reward in (MeanProbability(), ProbabilityMargin(), Probability(), Probability(scale="relative")):
        assert (reward(four) >= 0).all()
        assert (reward(four) <= 1 + 1e-6).all()
    assert (MeanProbability()(four) >= np.exp(TrajectoryLogprob(length_normalised=True)(four)) - 1e-9).all()


@every_certainty
def test_eos_counts_and_what_follows_does_not(reward):
    logits = torch.randn(2, 4, 9, generator=torch.Generator().manual_seed(0))
    ids = torch.tensor([[5, EOS, 7, 8], [5, 6, 7, 8]])

    def scores(changed: int | None) -> list[float]:
        other = logits.clone()
        if changed is not None:
            other[0, changed] = logits[0, changed].flip(0) * 2
        return reward(group(2, token_stats=token_stats(other, ids, mask=completion_mask(ids, EOS)))).tolist()

    if reward != Probability():  # two ranks may stay as they are
        assert scores(changed=1) != scores(None)
    assert scores(changed=2) == scores(changed=3) == scores(None)


# --- invariances -----------------------------------------------------------------------------------------

values_and_mask = st.tuples(
    arrays(np.float32, (3, 4), elements=st.floats(-20, 0, width=32)), arrays(bool, (3, 4))
)


@given(values_and_mask, st.integers(0, 3))
def test_padding_does_not_change_a_score(found, padding):
    values, mask = found
    more = np.pad(values, ((0, 0), (0, padding)), constant_values=99)
    longer = np.pad(mask, ((0, 0), (0, padding)))
    for reward in CERTAINTY:
        assert_allclose(
            reward(group(3, token_stats=stats(longer, **dict.fromkeys(STATISTICS, more)))),
            reward(group(3, token_stats=stats(mask, **dict.fromkeys(STATISTICS, values)))),
            rtol=1e-12,
        )


@given(values_and_mask, st.permutations(range(3)))
def test_scores_follow_their_completions(found, order):
    values, mask = found
    for reward in CERTAINTY:
        sorted_group = group(3, token_stats=stats(mask, **dict.fromkeys(STATISTICS, values)))
        other = group(3, token_stats=stats(mask[order], **dict.fromkeys(STATISTICS, values[order])))
        assert_allclose(reward(other), reward(sorted_group)[order], rtol=1e-12)


@given(arrays(np.float64, 5, elements=st.floats(-5000, 0)))
def test_both_scales_of_probability_keep_its_order(logprob):
    five = group(5, token_stats=stats([[1]] * 5, logprob=logprob[:, None]))
    rank, relative = Probability()(five), Probability(scale="relative")(five)
    for i in range(5):
        for j in range(5):
            assert (rank[i] < rank[j]) == (logprob[i] < logprob[j])
            assert (relative[i] <= relative[j]) or logprob[i] > logprob[j]
    assert rank.mean() == pytest.approx(0.5)
    assert relative.max() == 1
