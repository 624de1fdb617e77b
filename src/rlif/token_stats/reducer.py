"""`Reducer`: rows of logits in, statistics out, a few rows at a time or by the Triton kernel."""

import torch

from rlif.rollouts import TokenStats
from rlif.token_stats.kernel import kernel_statistics, kernel_takes
from rlif.token_stats.rows import STATISTICS, row_statistics

CPU_CHUNK, GPU_CHUNK = 2**19, 2**25
"""Logits reduced at a time without the kernel: 2 MB, which a CPU's cache can hold; 128 MB, to fill a GPU."""


def chunk(logits: torch.Tensor, tokens: int) -> int:
    """Return how many tokens of logits [..., V] to reduce at a time, if there are so many."""
    logits_at_a_time = CPU_CHUNK if logits.device.type == "cpu" else GPU_CHUNK
    return max(1, min(tokens, logits_at_a_time // logits.shape[-1]))


class Reducer:
    """Collects the statistics of tokens, with buffers that are made once.

    Args:
        like: logits, for their dtype, device and vocabulary.
        temperature: positive.
        step: rows at a time (the kernel takes all).
    """

    def __init__(self, like: torch.Tensor, temperature: float, step: int) -> None:
        self.temperature, self.step = temperature, step
        self.dtype = torch.float64 if like.dtype == torch.float64 else torch.float32
        shape = (0, 0) if kernel_takes(like) else (step, like.shape[-1])
        self._scratch = like.new_empty(shape, dtype=self.dtype)
        self._picked = like.new_empty(shape)  # in their own dtype
        self._wide = self._picked if like.dtype == self.dtype else torch.empty_like(self._scratch)
        self._parts = [like.new_empty(len(STATISTICS), 0, dtype=self.dtype)]

    def add(self, rows: torch.Tensor, targets: torch.Tensor, index: torch.Tensor) -> None:
        """Add the statistics of the rows [N, V] named by `index`; the rows stay as they are."""
        if kernel_takes(rows):
            self._parts.append(kernel_statistics(rows, targets, self.temperature, index))
            return
        out = rows.new_empty(len(STATISTICS), len(index), dtype=self.dtype)
        for start in range(0, len(index), self.step):
            some = index[start : start + self.step]
            wide = torch.index_select(rows, 0, some, out=self._picked[: len(some)])
            if self._wide is not self._picked:
                wide = self._wide[: len(some)].copy_(wide)
            values = row_statistics(wide, targets[some], self.temperature, self._scratch)
            out[:, start : start + self.step] = values
        self._parts.append(out)

    def add_overwriting(self, rows: torch.Tensor, targets: torch.Tensor) -> None:
        """Add the statistics of all rows [N, V], in place."""
        if kernel_takes(rows):
            self._parts.append(kernel_statistics(rows, targets, self.temperature))
            return
        out = rows.new_empty(len(STATISTICS), len(rows))
        for start in range(0, len(rows), self.step):
            some = slice(start, start + self.step)
            out[:, some] = row_statistics(rows[some], targets[some], self.temperature, self._scratch)
        self._parts.append(out)

    def statistics(self, mask: torch.Tensor) -> TokenStats:
        """Put what was added, in order, where it belongs in [B, T]; 0 elsewhere."""
        values = torch.cat(self._parts, dim=1)  # [5, number of tokens that count]
        arrays = values.new_zeros(len(STATISTICS), *mask.shape).masked_scatter_(mask, values)
        return TokenStats(
            **dict(zip(STATISTICS, arrays.unbind(0), strict=True)), mask=mask, temperature=self.temperature
        )
