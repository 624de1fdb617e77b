"""The Triton kernel's launch: `kernel_statistics`, for logits on a GPU.

Triton comes with CUDA builds of torch; without it nothing goes to the kernel. On a CPU it runs in Triton's
interpreter, for tests: `pip install triton` and TRITON_INTERPRET=1.
"""

import math
from typing import Any

import numpy as np
import torch

from rlif.token_stats.rows import STATISTICS

try:
    from rlif.token_stats.kernel_source import statistics_kernel
except ImportError:
    statistics_kernel = None

BLOCK = 2048
"""Logits a program reads at a time."""

WARPS = 4
"""Warps a program has: 16 logits a thread and block."""


def kernel_takes(logits: torch.Tensor) -> bool:
    """Return whether logits like these [N, V] go to the kernel: on a GPU with Triton, rows contiguous."""
    return (
        statistics_kernel is not None
        and logits.is_cuda
        and logits.dtype in (torch.float32, torch.bfloat16, torch.float16)
        and logits.stride(-1) == 1
    )


@torch.no_grad()
def kernel_statistics(
    logits: torch.Tensor, targets: torch.Tensor, temperature: float, index: torch.Tensor | None = None
) -> torch.Tensor:
    """Return `STATISTICS` [5, M], float32, of the rows of `logits` named by `index`, in that order.

    Args:
        logits: [N, V] float32, bfloat16 or float16, rows contiguous; left as they are.
        targets: [N] ids below V.
        temperature: positive.
        index: [M] rows; None: all of them.
    """
    rows = torch.arange(len(logits), device=logits.device) if index is None else index
    out = torch.empty(len(STATISTICS), len(rows), dtype=torch.float32, device=logits.device)
    kernel: Any = statistics_kernel
    if not len(rows):
        return out
    exact = math.log2(math.e) / temperature
    beta = float(np.float32(exact))  # numbers reach a kernel as float32; the rest makes it float64 there
    with torch.cuda.device_of(logits):
        kernel[(len(rows),)](
            logits,
            targets.contiguous(),
            rows,
            out,
            logits.stride(0),
            logits.shape[-1],
            len(rows),
            beta,
            exact - beta,
            BLOCK=min(BLOCK, 1 << (logits.shape[-1] - 1).bit_length()),
            num_warps=WARPS,
        )
    return out
