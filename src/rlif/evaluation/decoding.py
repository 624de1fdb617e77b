"""How a batch goes through a transformers model: each prompt read once, rows that have ended left out."""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from transformers import (
    DynamicCache,
    GenerationConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    StoppingCriteria,
    StoppingCriteriaList,
)

ROUND = 128
"""Tokens after which finished rows leave a batch. The longest answer decides how long a batch takes, and the
mean one, often a third as long, what it is worth; leaving more often would cost copies of the cache."""


@dataclass(frozen=True, slots=True)
class Decoding:
    """How a batch is continued.

    Attributes:
        settings: for so many new tokens. max_tokens: the most in all.
        stopping: further reasons to end a row.
        has_ended: whether the tokens drawn for a row are a whole answer.
    """

    settings: Callable[[int], GenerationConfig]
    max_tokens: int
    stopping: Sequence[StoppingCriteria]
    has_ended: Callable[[list[int]], bool]


def decode(
    model: PreTrainedModel, prompts: Sequence[Sequence[int]], pad: int, decoding: Decoding
) -> list[list[int]]:
    """Return the token ids that follow each prompt, padded at the end; equal prompts are read once."""
    batch = _padded(model, prompts, pad)
    width = batch.ids.shape[1]
    cache = _prompt_cache(model, prompts, pad, decoding)
    drawn: list[list[int]] = [[] for _ in prompts]
    rows = list(range(len(prompts)))
    while rows:
        left = decoding.max_tokens - (batch.ids.shape[1] - width)
        ids, cache = _round(model, batch, cache, decoding.settings(min(ROUND, left)), decoding.stopping)
        for row, tokens in zip(rows, ids[:, width:].tolist(), strict=True):
            drawn[row] = tokens
        if ids.shape[1] - width >= decoding.max_tokens:
            break
        going = [place for place, row in enumerate(rows) if not decoding.has_ended(drawn[row])]
        rows = [rows[place] for place in going]
        batch, cache = batch.grown(ids).chosen(going), _chosen(cache, going)
    return drawn


@dataclass(frozen=True, slots=True)
class _Batch:
    """Token ids [B, T], and a mask that is 0 on the padding at their left."""

    ids: torch.Tensor
    mask: torch.Tensor

    def grown(self, ids: torch.Tensor) -> "_Batch":
        """Return the batch with tokens appended: [B, T + new]."""
        return _Batch(ids, torch.nn.functional.pad(self.mask, (0, ids.shape[1] - self.ids.shape[1]), value=1))

    def chosen(self, rows: list[int]) -> "_Batch":
        """Return some of the rows."""
        return _Batch(self.ids[rows], self.mask[rows])


def _padded(model: PreTrainedModel, prompts: Sequence[Sequence[int]], pad: int) -> _Batch:
    width, device = max(len(ids) for ids in prompts), model.device
    ids = [[pad] * (width - len(ids)) + list(ids) for ids in prompts]
    mask = [[0] * (width - len(ids)) + [1] * len(ids) for ids in prompts]
    return _Batch(torch.tensor(ids, device=device), torch.tensor(mask, device=device))


def _prompt_cache(
    model: PreTrainedModel, prompts: Sequence[Sequence[int]], pad: int, decoding: Decoding
) -> DynamicCache | None:
    """Return the key-value cache of all rows, for which each prompt was read once, however often it is there.

    None, for `generate` to read row by row, where that saves nothing, or where the model's cache has no rows
    to choose or no end to cut: the last token of a prompt must be left to read.
    """
    distinct = list(dict.fromkeys(map(tuple, prompts)))
    if len(distinct) == len(prompts):
        return None
    settings = decoding.settings(1)
    # The token is thrown away: it must not use up a random number.
    settings.update(do_sample=False, temperature=None, top_p=None, top_k=None)
    _, cache = _round(model, _padded(model, distinct, pad), None, settings, ())
    if not isinstance(cache, DynamicCache) or not cache.is_croppable:
        return None
    cache.crop(-1)
    place = {ids: row for row, ids in enumerate(distinct)}
    return _chosen(cache, [place[tuple(ids)] for ids in prompts])


def _round(
    model: PreTrainedModel,
    batch: _Batch,
    cache: Any,
    settings: GenerationConfig,
    stopping: Sequence[StoppingCriteria],
) -> tuple[torch.Tensor, Any]:
    """Return the rows with what was drawn, [B, T + new], and the cache of all tokens but the last."""
    output: Any = model.generate(  # pyright: ignore[reportCallIssue]
        input_ids=batch.ids,
        attention_mask=batch.mask,
        past_key_values=cache,
        generation_config=settings,
        stopping_criteria=StoppingCriteriaList(stopping),
    )
    return output.sequences, output.past_key_values


def _chosen(cache: Any, rows: list[int]) -> DynamicCache | None:
    """Return the cache with these rows alone; None if it has no rows to choose: it is filled anew then."""
    if not isinstance(cache, DynamicCache) or not rows:
        return None
    cache.batch_select_indices(torch.tensor(rows))
    return cache


class StopStrings(StoppingCriteria):
    """Ends a row whose text holds a stop string.

    It decodes the last tokens of a row, by the rule that completions are cut by afterwards, so both see the
    same text. (`stop_strings` of transformers goes by the vocabulary's spelling of each token.)
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, stop: Sequence[str], width: int) -> None:
        self.tokenizer, self.stop, self.width = tokenizer, stop, width
        # A token holds a byte at least; a few more for those without text of their own.
        self.window = max(len(text.encode()) for text in stop) + 4

    def __call__(self, input_ids: Any, scores: Any, **kwargs: Any) -> Any:
        """Return for each row [B] whether it is ended; input_ids [B, T], the prompt included."""
        recent = input_ids[:, max(self.width, input_ids.shape[1] - self.window) :].tolist()
        ended = [any(stop in self._text(ids) for stop in self.stop) for ids in recent]
        return torch.tensor(ended, device=input_ids.device)

    def _text(self, ids: list[int]) -> Any:
        return self.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)


@contextmanager
def undisturbed(model: PreTrainedModel, seed: int) -> Generator[None]:
    """Run a generation with its own randomness, in evaluation mode; leave no trace in a model in training.

    `generate` fills what its settings leave open from the model's own generation settings (a top-k of 50, a
    repetition penalty): these are put aside. No gradients, but not `inference_mode`, whose tensors (a cached
    rotary table, say) could not take part in training afterwards.
    """
    modes = {module: module.training for module in model.modules()}
    settings = model.generation_config
    devices = [model.device] if model.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices), torch.no_grad():
        torch.manual_seed(seed)
        model.eval()
        model.generation_config = GenerationConfig()
        try:
            yield
        finally:
            model.generation_config = settings
            for module, mode in modes.items():
                module.training = mode
