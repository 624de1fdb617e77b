"""The Triton kernel against the float64 reference: on a GPU, or on a CPU in Triton's interpreter.

Whether kernels are interpreted is decided when they are imported. So, without a GPU, this file runs itself
once more in a process of its own, with TRITON_INTERPRET=1.
"""

import importlib.util
import math
import os
import subprocess
import sys

import pytest
import torch
from test_token_stats import assert_same

from rlif.rollouts import TokenStats
from rlif.token_stats import kernel, token_stats, token_stats_reference
from rlif.token_stats.kernel import kernel_statistics, kernel_takes
from rlif.token_stats.rows import STATISTICS

GPU = torch.cuda.is_available()
TRITON = importlib.util.find_spec("triton") is not None
INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
DEVICE = "cuda" if GPU else "cpu"

needs_triton = pytest.mark.skipif(not TRITON, reason="triton is not installed (pip install triton)")
on_gpu = pytest.mark.skipif(not GPU, reason="needs a CUDA GPU")
anywhere = pytest.mark.skipif(
    not TRITON or not (GPU or INTERPRETED), reason="needs a GPU or TRITON_INTERPRET=1"
)


@needs_triton
@pytest.mark.slow
@pytest.mark.skipif(GPU or INTERPRETED, reason="the kernel runs in this process")
def test_in_the_interpreter() -> None:
    command = [sys.executable, "-m", "pytest", "-o", "addopts=", "-p", "no:cacheprovider", __file__]
    result = subprocess.run(
        command, env=os.environ | {"TRITON_INTERPRET": "1"}, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout[-3000:]
    assert " passed" in result.stdout


def stats(logits: torch.Tensor, targets: torch.Tensor, temperature: float = 1.0) -> TokenStats:
    """The kernel's statistics of logits [1, T, V], on the host."""
    values = kernel_statistics(logits[0].to(DEVICE), targets[0].to(DEVICE), temperature).cpu()
    arrays = dict(zip(STATISTICS, values[:, None], strict=True))
    return TokenStats(**arrays, mask=torch.ones_like(targets).bool(), temperature=temperature)


def draw(vocabulary: int, scale: float, offset: float = 0.0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(vocabulary)
    logits = torch.randn(1, 4, vocabulary, generator=generator) * scale + offset
    targets = logits.argmax(-1)
    targets[0, ::2] = torch.randint(vocabulary, (2,), generator=generator)
    return logits, targets


# One logit; less than a block; one block exactly; a block and one logit; many blocks.
@anywhere
@pytest.mark.parametrize("vocabulary", [1, 2, 17, kernel.BLOCK, kernel.BLOCK + 1, 5000, 49152])
@pytest.mark.parametrize("scale", [1e-3, 0.1, 1.0, 3.0, 10.0, 100.0])
def test_keeps_its_digits(vocabulary: int, scale: float) -> None:
    for offset in (0.0, 1e4):
        for temperature in (1.0, 0.7):
            logits, targets = draw(vocabulary, scale, offset)
            expected = token_stats_reference(logits, targets, temperature)
            assert_same(stats(logits, targets, temperature), expected, rtol=1e-6, atol=1e-14)


@anywhere
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_only_rounded_once(dtype: torch.dtype) -> None:
    logits, targets = draw(5000, 3.0)
    expected = token_stats_reference(logits.to(dtype), targets)
    assert_same(stats(logits.to(dtype), targets), expected, rtol=1e-6, atol=1e-14)


@anywhere
@pytest.mark.parametrize("place", [0, 1, kernel.BLOCK - 1, kernel.BLOCK, 2 * kernel.BLOCK + 5])
def test_the_two_largest_may_stand_anywhere(place: int) -> None:
    vocabulary = 3 * kernel.BLOCK - 7
    for other in (
        2,
        kernel.BLOCK + 2,
        place + kernel.BLOCK if place < kernel.BLOCK else place - kernel.BLOCK,
    ):
        logits, targets = draw(vocabulary, 1.0)
        logits[..., place], logits[..., other] = 20.0, 19.0
        assert_same(stats(logits, targets), token_stats_reference(logits, targets), rtol=1e-6, atol=1e-14)


@anywhere
@pytest.mark.parametrize("order", [1, -1], ids=["rising", "falling"])
def test_the_reference_may_move_with_every_block(order: int) -> None:
    logits = torch.linspace(-60, 60, 4 * kernel.BLOCK)[None, None] * order
    targets = torch.tensor([[5]])
    assert_same(stats(logits, targets), token_stats_reference(logits, targets), rtol=1e-6, atol=1e-14)


@anywhere
def test_ruled_out_tokens() -> None:
    for vocabulary in (3, kernel.BLOCK + 3):
        logits = torch.full((1, 1, vocabulary), -math.inf)
        logits[..., 0], logits[..., -1] = 1.0, 1.0  # p = (1/2, 0, …, 0, 1/2)
        got = stats(logits, torch.tensor([[1]]))
        assert got.self_certainty.item() == math.inf
        assert got.logprob.item() == -math.inf
        assert got.entropy.item() == pytest.approx(math.log(2))
        assert got.margin.item() == 0.0
        logits[..., -1] = -math.inf  # a single token is left
        only = stats(logits, torch.tensor([[0]]))
        assert [only.logprob.item(), only.entropy.item(), only.max_prob.item(), only.margin.item()] == [
            0,
            0,
            1,
            1,
        ]


@anywhere
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")  # numpy, in the interpreter
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("place", [0, kernel.BLOCK + 1])
def test_no_distribution_is_nan(value: float, place: int) -> None:
    logits, targets = draw(kernel.BLOCK + 2, 1.0)
    if value == -math.inf:
        logits[0, 1] = value
    else:
        logits[0, 1, place] = value
    got = stats(logits, targets)
    for values in (got.logprob, got.entropy, got.self_certainty, got.max_prob, got.margin):
        assert values.isnan().tolist() == [[False, True, False, False]]


@anywhere
def test_rows_are_chosen_by_index_and_left_as_they_are() -> None:
    whole = torch.randn(6, 40, generator=torch.Generator().manual_seed(0)).to(DEVICE)
    logits, targets = whole[:, :33], torch.arange(6, device=DEVICE)  # rows that are not one after the other
    before = whole.clone()
    index = torch.tensor([4, 1], device=DEVICE)
    got = kernel_statistics(logits, targets, 1.0, index)
    expected = token_stats_reference(logits[index].cpu()[None], targets[index].cpu()[None])
    torch.testing.assert_close(got[0].cpu().double(), expected.logprob[0], rtol=1e-6, atol=0)
    assert torch.equal(whole, before)


@anywhere
def test_nothing_to_compute() -> None:
    none = torch.zeros(0, dtype=torch.long, device=DEVICE)
    assert kernel_statistics(torch.zeros(0, 5, device=DEVICE), none, 1.0).shape == (5, 0)


def test_a_cpu_tensor_does_not_go_to_the_kernel() -> None:
    assert not kernel_takes(torch.zeros(2, 3))


@on_gpu
@needs_triton
def test_token_stats_uses_it_on_a_gpu() -> None:
    logits, targets = (tensor.cuda() for tensor in draw(49152, 3.0))
    assert kernel_takes(logits[0])
    assert not kernel_takes(logits[0].double())
    padded = torch.cat([logits, logits], dim=1)[:, 1:-3]
    assert not padded.is_contiguous() or len(padded) == 1
    got = token_stats(padded, targets.new_zeros(1, 4), 0.7)._map(lambda a: a.cpu())
    expected = token_stats_reference(padded.cpu(), torch.zeros(1, 4, dtype=torch.long), 0.7)
    assert_same(got, expected, rtol=1e-6, atol=1e-14)


@needs_triton
@pytest.mark.slow
@pytest.mark.skipif(INTERPRETED, reason="interpreted kernels are not compiled")
@pytest.mark.parametrize("dtype", ["fp32", "bf16", "fp16"])
def test_compiles_for_a_gpu_that_is_not_here(dtype: str) -> None:
    """Down to the machine code of an A100 and an H100, with the assembler that comes with Triton."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    types = {"logits": f"*{dtype}", "targets": "*i64", "index": "*i64", "out": "*fp32", "stride": "i64"}
    types |= {"V": "i32", "M": "i32", "beta": "fp32", "beta_rest": "fp32", "BLOCK": "constexpr"}
    source = ASTSource(fn=kernel.statistics_kernel, signature=types, constexprs={"BLOCK": kernel.BLOCK})
    for capability in (80, 90):
        target = GPUTarget("cuda", capability, 32)
        compiled = triton.compile(source, target=target, options={"num_warps": kernel.WARPS})
        assert compiled.asm["cubin"]
