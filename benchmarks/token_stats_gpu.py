"""The Triton kernel on a GPU: share of the measured copy bandwidth, and error against float64.

    python benchmarks/token_stats_gpu.py
    python benchmarks/token_stats_gpu.py --sweep

The kernel has to read each logit once. The copy of a large tensor, which reads and writes each byte, says
what the memory can do. Times are medians of CUDA events. `--sweep` tries other blocks and numbers of warps.
"""

import statistics
from argparse import ArgumentParser
from collections.abc import Callable

import torch
from rich.console import Console
from rich.table import Table

from rlif.token_stats import kernel, token_stats, token_stats_reference
from rlif.token_stats.kernel import kernel_statistics

NAMES = ("logprob", "entropy", "self_certainty", "max_prob", "margin")
VOCABULARIES = (49152, 151936, 262144)
LOGITS = 2**30
"""Logits a measurement reads: 2 GiB in bfloat16, far more than any cache holds."""

AIM = 0.8


def seconds(function: Callable[[], object], repeats: int = 20) -> float:
    """Return the median time of a call on the GPU."""
    for _ in range(3):
        function()
    found: list[float] = []
    for _ in range(repeats):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        function()
        end.record()
        end.synchronize()
        found.append(begin.elapsed_time(end) / 1e3)
    return statistics.median(found)


def copy_bandwidth() -> float:
    """Return bytes read and written a second by a copy of 4 GiB."""
    source = torch.empty(2**30, dtype=torch.float32, device="cuda")
    target = torch.empty_like(source)
    return 2 * source.nbytes / seconds(lambda: target.copy_(source))


def worst_error(vocabulary: int, dtype: torch.dtype) -> float:
    """Return the largest relative error of any statistic, against float64 on the same rounded logits."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(1, 256, vocabulary, generator=generator).mul_(3).to(dtype).cuda()
    targets = torch.randint(vocabulary, (1, 256), generator=generator).cuda()
    got, expected = token_stats(logits, targets), token_stats_reference(logits, targets)
    errors = [(getattr(got, name) / getattr(expected, name) - 1).abs().max().item() for name in NAMES]
    return max(errors)


def plain(logits: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, ...]:
    logp = torch.log_softmax(logits, dim=-1, dtype=torch.float32)
    return logp.gather(-1, targets[:, None]), -(logp.exp() * logp).sum(-1), -logp.mean(-1)


def measure(console: Console, copy: float) -> None:
    table = Table(
        "vocabulary", "dtype", "kernel ms", "GB/s", "of copy", "token_stats ms", "plain ms", "error"
    )
    for vocabulary in VOCABULARIES:
        for dtype in (torch.bfloat16, torch.float32):
            tokens = LOGITS // vocabulary
            logits = torch.randn(tokens, vocabulary, device="cuda", dtype=dtype).mul_(3)
            targets = torch.randint(vocabulary, (tokens,), device="cuda")
            time = seconds(lambda logits=logits, targets=targets: kernel_statistics(logits, targets, 1.0))
            whole = seconds(lambda logits=logits, targets=targets: token_stats(logits[None], targets[None]))
            few, some = (
                logits[: tokens // 8],
                targets[: tokens // 8],
            )  # its temporaries would not fit otherwise
            simple = 8 * seconds(lambda few=few, some=some: plain(few, some), 5)
            rate = logits.nbytes / time
            cells = [f"{1e3 * time:.2f}", f"{rate / 1e9:.0f}", f"{rate / copy:.0%}", f"{1e3 * whole:.2f}"]
            error = f"{worst_error(vocabulary, dtype):.1e}"
            table.add_row(str(vocabulary), str(dtype)[6:], *cells, f"{1e3 * simple:.2f}", error)
    console.print(table, f"aim: at least {AIM:.0%} of the copy's bandwidth")


def sweep(console: Console, copy: float) -> None:
    table = Table("block", "warps", "bfloat16, of copy", "float32, of copy")
    vocabulary, tokens = 151936, LOGITS // 151936
    targets = torch.randint(vocabulary, (tokens,), device="cuda")
    logits = {
        dtype: torch.randn(tokens, vocabulary, device="cuda", dtype=dtype)
        for dtype in (torch.bfloat16, torch.float32)
    }
    for kernel.BLOCK in (1024, 2048, 4096, 8192):
        for kernel.WARPS in (2, 4, 8, 16):
            shares = [
                rows.nbytes / seconds(lambda rows=rows: kernel_statistics(rows, targets, 1.0)) / copy
                for rows in logits.values()
            ]
            table.add_row(str(kernel.BLOCK), str(kernel.WARPS), *(f"{share:.0%}" for share in shares))
    console.print(table)


def main() -> None:
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sweep", action="store_true", help="try other block sizes and numbers of warps")
    options = parser.parse_args()
    if not torch.cuda.is_available() or kernel.statistics_kernel is None:
        raise SystemExit("This needs a CUDA GPU and Triton.")
    console = Console(width=110)
    copy = copy_bandwidth()
    console.print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}: copies {copy / 1e9:.0f} GB/s")
    (sweep if options.sweep else measure)(console, copy)


if __name__ == "__main__":
    main()
