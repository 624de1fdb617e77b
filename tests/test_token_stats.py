"""`token_stats` against numbers worked out by hand, the float64 reference, and identities that must hold."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch.utils._python_dispatch import TorchDispatchMode

from rlif.errors import UserError
from rlif.rollouts import TokenStats
from rlif.token_stats import (
    completion_mask,
    require_defined,
    token_stats,
    token_stats_reference,
    undefined_tokens,
)

NAMES = ("logprob", "entropy", "self_certainty", "max_prob", "margin")


def stats_of(logits, target: int = 0, **options) -> dict[str, float]:
    """The statistics of a single token with these logits."""
    stats = token_stats(torch.as_tensor(logits)[None, None], torch.tensor([[target]]), **options)
    return {name: getattr(stats, name).item() for name in NAMES}


def assert_same(stats: TokenStats, expected: TokenStats, rtol: float, atol: float) -> None:
    for name in NAMES:
        a, b = getattr(stats, name).double(), getattr(expected, name).double()
        torch.testing.assert_close(a, b, rtol=rtol, atol=atol, equal_nan=True)


# --- by hand ---------------------------------------------------------------------------------------------


def test_three_tokens_by_hand():
    # p = (1/2, 1/4, 1/4): the logarithms of it are valid logits.
    logits = torch.tensor([1 / 2, 1 / 4, 1 / 4], dtype=torch.float64).log()
    got = stats_of(logits, target=1)
    assert got["logprob"] == pytest.approx(math.log(1 / 4))
    assert got["entropy"] == pytest.approx(1.5 * math.log(2))  # 1.5 bits
    # Σ 1/3 log((1/3) / p) = −log 3 + (log 2 + log 4 + log 4) / 3 = 5/3 log 2 − log 3
    assert got["self_certainty"] == pytest.approx(5 / 3 * math.log(2) - math.log(3))
    assert got["max_prob"] == pytest.approx(1 / 2)
    assert got["margin"] == pytest.approx(1 / 4)


def test_temperature_divides_the_logits():
    # At T = 1/2, p = (1/2, 1/4, 1/4) becomes p² / Σ p² = (4, 1, 1) / 6.
    logits = torch.tensor([1 / 2, 1 / 4, 1 / 4]).log()
    got = stats_of(logits, temperature=0.5)
    assert got["max_prob"] == pytest.approx(4 / 6)
    assert got["margin"] == pytest.approx(3 / 6)


@pytest.mark.parametrize("size", [1, 2, 1000])
def test_uniform_is_exactly_zero_certainty_and_log_v_entropy(size):
    got = stats_of(torch.full((size,), 7.25))
    assert got["self_certainty"] == 0.0
    assert got["entropy"] == pytest.approx(math.log(size), rel=1e-6, abs=1e-12)
    assert got["logprob"] == pytest.approx(-math.log(size), rel=1e-6, abs=1e-12)


def test_a_tie_at_the_top_has_no_margin():
    assert stats_of(torch.tensor([3.0, 3.0, -1.0]))["margin"] == 0.0


# --- numerics --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("vocabulary", [2, 17, 1000, 49152])
@pytest.mark.parametrize("scale", [1e-3, 0.1, 1.0, 3.0, 10.0, 100.0])
@pytest.mark.parametrize("offset", [0.0, 1e4, -1e4])
def test_float32_input_keeps_its_digits(vocabulary, scale, offset):
    """Near uniform, peaked, far from zero: within 1e-6 relative of float64 on the very same logits.

    Half of that, in fact: a logit 20 below the top is known to 1e-6 in float32, its distance to the second
    largest, from which the sums are taken, to more digits.
    """
    generator = torch.Generator().manual_seed(vocabulary)
    logits = torch.randn(1, 4, vocabulary, generator=generator) * scale + offset
    targets = logits.argmax(-1)
    targets[0, ::2] = torch.randint(vocabulary, (2,), generator=generator)
    for temperature in (1.0, 0.7):
        stats = token_stats(logits, targets, temperature)
        expected = token_stats_reference(logits, targets, temperature)
        # atol: what the float64 reference itself loses when it subtracts numbers of the size of log V.
        assert_same(stats, expected, rtol=5e-7, atol=1e-14)


def test_nearly_uniform_by_hand():
    # Logits c ± h, V = 2: logsumexp − mean − log 2 = log cosh h ≈ h²/2. Here h = 2⁻¹⁰ beside c = 8192: the
    # terms to subtract are 10¹⁰ times the result.
    h = 2.0**-10
    got = stats_of(torch.tensor([8192 + h, 8192 - h]))
    assert got["self_certainty"] == pytest.approx(math.log(math.cosh(h)), rel=1e-6, abs=0)
    assert got["self_certainty"] == pytest.approx(h * h / 2, rel=1e-6, abs=0)


def test_nearly_certain_keeps_small_probabilities():
    # One other token at e⁻²⁰: log p = −log1p(e⁻²⁰) ≈ −2e-9, which 1 − 2e-9 in float32 would round to 0.
    tail = math.exp(-20)
    got = stats_of(torch.tensor([20.0, 0.0]))
    assert got["logprob"] == pytest.approx(-math.log1p(tail), rel=1e-6, abs=0)
    assert got["entropy"] == pytest.approx(math.log1p(tail) + 20 * tail / (1 + tail), rel=1e-6, abs=0)


def test_a_rounded_distance_to_the_top_spoils_nothing():
    # Logits 0, −20.1 and −20.3, on top of 1/3: none of their sums with 1/3 is exact; float32 knows 20.1 to
    # 2e-6 only. What is measured are the logits as rounded, so float64 has to see the same.
    logits = torch.tensor([0.0, -20.1, -20.3]) + 1 / 3
    gaps = (logits.double() - logits[0].double()).tolist()[1:]
    tail = sum(math.exp(gap) for gap in gaps)
    got = stats_of(logits)
    assert got["logprob"] == pytest.approx(-math.log1p(tail), rel=2e-7, abs=0)
    entropy = math.log1p(tail) - sum(math.exp(gap) * gap for gap in gaps) / (1 + tail)
    assert got["entropy"] == pytest.approx(entropy, rel=2e-7, abs=0)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_input_is_only_rounded_once(dtype):
    """The statistics of bf16 logits are those of the bf16 values in float64: nothing is reduced in bf16."""
    logits = (torch.randn(2, 5, 1000, generator=torch.Generator().manual_seed(0)) * 3).to(dtype)
    targets = torch.randint(1000, (2, 5), generator=torch.Generator().manual_seed(1))
    stats = token_stats(logits, targets)
    assert stats.entropy.dtype == torch.float32
    assert_same(stats, token_stats_reference(logits, targets), rtol=1e-6, atol=0)


def test_float64_stays_float64():
    logits = torch.randn(1, 4, 300, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    targets = torch.zeros(1, 4, dtype=torch.long)
    stats = token_stats(logits, targets)
    assert stats.entropy.dtype == torch.float64
    assert_same(stats, token_stats_reference(logits, targets), rtol=1e-13, atol=0)


def test_ruled_out_tokens():
    # p = (1/2, 1/2, 0): U has mass where p has none, so KL(U‖p) = ∞; the rest is finite.
    got = stats_of(torch.tensor([1.0, 1.0, -math.inf]), target=2)
    assert got["self_certainty"] == math.inf
    assert got["logprob"] == -math.inf
    assert got["entropy"] == pytest.approx(math.log(2))
    assert got["max_prob"] == pytest.approx(0.5)


@pytest.mark.parametrize("logits", [[0.0, math.nan, 1.0], [0.0, math.inf, 1.0], [-math.inf] * 3])
def test_no_distribution_is_nan(logits):
    assert all(math.isnan(value) for value in stats_of(torch.tensor(logits)).values())


# --- properties ------------------------------------------------------------------------------------------

logit_arrays = arrays(np.float32, (2, 3, 7), elements=st.floats(-30, 30, width=32))
target_arrays = arrays(np.int64, (2, 3), elements=st.integers(0, 6))
CLOSE = {"rtol": 1e-5, "atol": 1e-6}


@given(logit_arrays, target_arrays)
def test_ranges(logits, targets):
    stats = token_stats(torch.from_numpy(logits), torch.from_numpy(targets))
    assert (stats.logprob <= 0).all()
    assert (stats.entropy >= 0).all()
    assert (stats.entropy <= math.log(7) + 1e-6).all()
    assert (stats.self_certainty >= 0).all()
    assert (stats.max_prob >= 1 / 7 - 1e-6).all()
    assert (stats.max_prob <= 1).all()
    assert (stats.margin >= 0).all()
    assert (stats.margin <= stats.max_prob).all()


@given(logit_arrays, target_arrays)
def test_self_certainty_is_the_divergence_of_the_distribution_from_the_uniform_one(logits, targets):
    """KL(U‖p) by its definition, Σ_v U(v) log(U(v) / p(v)), and not by the formula that is computed."""
    p = torch.softmax(torch.from_numpy(logits).double(), dim=-1)
    uniform = torch.full_like(p, 1 / 7)
    divergence = torch.nn.functional.kl_div(p.log(), uniform, reduction="none").sum(-1)
    stats = token_stats(torch.from_numpy(logits), torch.from_numpy(targets))
    torch.testing.assert_close(stats.self_certainty.double(), divergence, rtol=1e-6, atol=1e-12)


@given(logit_arrays, target_arrays, st.sampled_from([0.3, 1.0, 2.0]))
def test_entropy_and_divergence_bound_each_other(logits, targets, temperature):
    """log V − H(p) = KL(p‖U): 0 ≤ H ≤ log V, and both ends are reached together with KL(U‖p) = 0 and ∞."""
    stats = token_stats(torch.from_numpy(logits), torch.from_numpy(targets), temperature)
    flat = stats.self_certainty < 1e-6
    assert (stats.entropy[flat] > math.log(7) - 1e-5).all()
    assert (stats.entropy <= math.log(7) * (1 + 1e-7)).all()
    assert (stats.logprob <= stats.max_prob.log() + 1e-6).all()


@given(logit_arrays, target_arrays)
def test_agrees_with_the_reference(logits, targets):
    logits, targets = torch.from_numpy(logits), torch.from_numpy(targets)
    assert_same(token_stats(logits, targets), token_stats_reference(logits, targets), **CLOSE)


@given(logit_arrays, target_arrays, st.integers(-8, 8))
def test_adding_a_constant_changes_nothing(logits, targets, shift):
    logits = torch.from_numpy(np.round(logits * 64) / 64)  # so that the sum is exact
    targets = torch.from_numpy(targets)
    assert_same(token_stats(logits + shift * 64, targets), token_stats(logits, targets), rtol=0, atol=0)


@given(logit_arrays, target_arrays, st.permutations(range(7)))
def test_the_order_of_the_vocabulary_does_not_matter(logits, targets, order):
    logits, targets = torch.from_numpy(logits), torch.from_numpy(targets)
    renamed = torch.tensor(order).argsort()[targets]  # where each target's column went
    assert_same(token_stats(logits[..., order], renamed), token_stats(logits, targets), **CLOSE)


@given(logit_arrays, target_arrays, arrays(bool, (2, 3)), st.integers(1, 7))
def test_masks_chunks_and_strides_do_not_change_a_token(logits, targets, mask, chunk_tokens):
    logits, targets, mask = torch.from_numpy(logits), torch.from_numpy(targets), torch.from_numpy(mask)
    whole = token_stats(logits, targets)
    padded = torch.cat([logits, torch.full((2, 1, 7), math.nan)], dim=1)[:, :-1]  # not contiguous
    part = token_stats(padded, targets.masked_fill(~mask, -100), mask=mask, chunk_tokens=chunk_tokens)
    for name in NAMES:
        torch.testing.assert_close(getattr(part, name), getattr(whole, name) * mask, rtol=1e-6, atol=1e-7)
    assert torch.equal(part.mask, mask)


@given(logit_arrays, target_arrays)
def test_rows_of_a_batch_do_not_see_each_other(logits, targets):
    logits, targets = torch.from_numpy(logits), torch.from_numpy(targets)
    swapped = token_stats(logits.flip(0), targets.flip(0))
    assert_same(swapped, token_stats(logits, targets)._map(lambda a: a.flip(0)), rtol=0, atol=0)


# --- what the caller can rely on -------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_logits_are_left_as_they_were(dtype):
    logits = torch.randn(2, 3, 11, generator=torch.Generator().manual_seed(0)).to(dtype).requires_grad_()
    before = logits.detach().clone()
    stats = token_stats(logits, torch.zeros(2, 3, dtype=torch.long), temperature=0.5)
    assert torch.equal(logits, before)
    assert not stats.entropy.requires_grad


@pytest.mark.parametrize("shape", [(0, 3), (2, 0)])
def test_nothing_to_compute(shape):
    stats = token_stats(torch.zeros(*shape, 5), torch.zeros(shape, dtype=torch.long))
    assert stats.entropy.shape == shape


def test_everything_masked_is_all_zero():
    stats = token_stats(
        torch.ones(2, 3, 5), torch.zeros(2, 3, dtype=torch.long), mask=torch.zeros(2, 3).bool()
    )
    assert not any(getattr(stats, name).any() for name in NAMES)


class LargestBuffer(TorchDispatchMode):
    """Records the size in bytes of the largest memory that any operation allocates."""

    def __init__(self, known: torch.Tensor) -> None:
        super().__init__()
        self.known, self.bytes = known.untyped_storage().data_ptr(), 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for out in result if isinstance(result, (tuple, list)) else [result]:
            if isinstance(out, torch.Tensor) and out.untyped_storage().data_ptr() != self.known:
                self.bytes = max(self.bytes, out.untyped_storage().nbytes())
        return result


@pytest.mark.parametrize("sliced", [False, True], ids=["contiguous", "slice"])
@pytest.mark.parametrize("scale", [0.1, 10.0], ids=["near uniform", "peaked"])
def test_no_buffer_is_larger_than_a_chunk(sliced, scale):
    whole = (torch.randn(4, 33, 5000, generator=torch.Generator().manual_seed(0)) * scale).bfloat16()
    logits = whole[:, :-1] if sliced else whole
    with LargestBuffer(whole) as largest:
        token_stats(logits, torch.zeros(logits.shape[:2], dtype=torch.long), chunk_tokens=4)
    assert largest.bytes <= 4 * 5000 * 8  # a float64 buffer for nearly uniform rows; float32 else


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"chunk_tokens": 0}, "chunk_tokens must be at least 1; got 0"),
        ({"targets": torch.zeros(2, 4, dtype=torch.long)}, r"\[2, 3\].*got \[2, 4\]"),
        ({"mask": torch.ones(3, 2).bool()}, r"and \[3, 2\]"),
        ({"targets": torch.full((2, 3), 5)}, "ids below V = 5; got 5"),
        ({"targets": torch.full((2, 3), -1)}, "got -1"),
        ({"logits": torch.zeros(3, 5)}, r"floating \[B, T, V\].*\[3, 5\]"),
        ({"logits": torch.zeros(2, 3, 5, dtype=torch.long)}, "torch.int64"),
    ],
)
def test_mistakes_are_named(change, message):
    good = {"logits": torch.zeros(2, 3, 5), "targets": torch.zeros(2, 3, dtype=torch.long)}
    with pytest.raises(ValueError, match=message):
        token_stats(**(good | change))


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.inf, math.nan])
def test_a_temperature_without_a_distribution_is_the_users_mistake(temperature):
    with pytest.raises(UserError, match=f"positive and finite; got {temperature}"):
        token_stats(torch.zeros(2, 3, 5), torch.zeros(2, 3, dtype=torch.long), temperature)


def test_a_padded_vocabulary_is_cut_off_by_a_slice():
    # Ids 4 and 5 exist only to make V a multiple of something: without them, p = (1/2, 1/4, 1/8, 1/8).
    logits = torch.tensor([1 / 2, 1 / 4, 1 / 8, 1 / 8, 1e3, 1e9]).log().expand(1, 3, 6)
    stats = token_stats(logits[..., :4], torch.tensor([[0, 1, 3]]))
    assert stats.logprob.exp().tolist() == [pytest.approx([1 / 2, 1 / 4, 1 / 8])]
    assert stats.entropy.tolist() == [pytest.approx([1.75 * math.log(2)] * 3)]


# --- undefined tokens ------------------------------------------------------------------------------------


def one_bad_token(value: float, mask: torch.Tensor | None = None) -> TokenStats:
    logits = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(0))
    logits[1, 2, 4] = value
    return token_stats(logits, torch.zeros(2, 3, dtype=torch.long), mask=mask)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_undefined_tokens_are_found(value):
    stats = one_bad_token(value)
    assert undefined_tokens(stats) == [(1, 2)]
    with pytest.raises(UserError, match=r"1 token\(s\) of 1 completion\(s\), first at completion 1, token 2"):
        require_defined(stats)


def test_a_ruled_out_token_is_defined():
    stats = one_bad_token(-math.inf)
    assert stats.self_certainty[1, 2] == math.inf
    assert undefined_tokens(stats) == []
    require_defined(stats)


def test_undefined_logits_that_do_not_count_are_no_concern():
    mask = torch.tensor([[True, True, True], [True, True, False]])
    assert undefined_tokens(one_bad_token(math.nan, mask)) == []


# --- completion_mask -------------------------------------------------------------------------------------


def test_mask_ends_with_the_first_eos():
    ids = torch.tensor(
        [
            [5, 6, 2, 0, 0],  # EOS counts, padding does not
            [2, 2, 2, 2, 2],  # padding that is EOS: only the first counts
            [5, 6, 7, 8, 9],  # cut at the limit: everything counts
            [5, 3, 2, 0, 0],  # another EOS id, first
        ]
    )
    assert completion_mask(ids, [2, 3]).int().tolist() == [
        [1, 1, 1, 0, 0],
        [1, 0, 0, 0, 0],
        [1, 1, 1, 1, 1],
        [1, 1, 0, 0, 0],
    ]
    assert torch.equal(completion_mask(ids[:3], 2), completion_mask(ids[:3], [2, 3]))


@settings(max_examples=30)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=8))
def test_mask_is_what_cutting_at_eos_keeps(ids):
    kept = ids[: ids.index(2) + 1] if 2 in ids else ids
    assert completion_mask(torch.tensor([ids]), 2).sum().item() == len(kept)
