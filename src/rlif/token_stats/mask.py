"""Which tokens of a completion count: those up to and including the first end-of-sequence token."""

from collections.abc import Sequence

import torch


def completion_mask(ids: torch.Tensor, eos_ids: int | Sequence[int]) -> torch.Tensor:
    """Return [B, T] bool, True up to and including the first EOS of each row.

    A row without EOS was cut at the length limit and counts whole. (So padding must come after an EOS; it may
    itself be EOS.)

    Args:
        ids: [B, T] completion token ids.
        eos_ids: the id that ends a completion, or several of them.
    """
    ends = torch.as_tensor([eos_ids] if isinstance(eos_ids, int) else list(eos_ids), device=ids.device)
    is_end = torch.isin(ids, ends)
    ends_before = is_end.cumsum(dim=-1) - is_end.long()
    return ends_before == 0


def full_mask(mask: torch.Tensor | None, targets: torch.Tensor) -> torch.Tensor:
    """Return the mask [B, T] as bool; all True when there is none."""
    return torch.ones_like(targets, dtype=torch.bool) if mask is None else mask.bool()
