"""`GenerationTap`: the statistics of sampled tokens from the very forward passes that sampled them.

While it is entered, a tap sees every forward pass of a transformers model: the logits of the last position,
before any temperature, penalty or top-p touches them, and the token that was sampled one step earlier, which
is this step's input. So generation pays for the statistics, and no second forward pass is needed.

A forward hook, not a `LogitsProcessor`: `generate` puts the processors it is given *after* its own penalties,
and a trainer that calls `generate` itself offers no place to pass one.

What it saw is compared, token by token, with the completions it is asked about. Whatever made the two differ
(several calls of `generate`, beam search, another engine), no statistics are better than wrong ones: `stats`
then returns None, and says why in `reason`.
"""

from collections.abc import Collection, Sequence
from dataclasses import fields
from typing import Any, Self

import torch
from torch.utils.hooks import RemovableHandle

from rlif.rollouts import TokenStats
from rlif.token_stats.checks import check_temperature
from rlif.token_stats.chunked import token_stats
from rlif.token_stats.head import base_language_model
from rlif.token_stats.mask import completion_mask

BUFFERED_LOGITS = 2**21
"""Logits kept until their statistics are made together: 8 MB, which spare a small model most of the cost."""


class GenerationTap:
    """Collects statistics while `model.generate` runs inside of `with`.

    Args:
        model: a transformers causal language model, or one that PEFT wraps.
        eos_ids: the ids that end a completion; what is generated after them costs nothing.
        temperature: the raw logits are divided by it (the sampling's own does not matter).

    Attributes:
        reason: why there are no statistics; "" while there are.

    Raises:
        UserError: a temperature that is not positive.
    """

    def __init__(self, model: Any, eos_ids: Collection[int], temperature: float = 1.0) -> None:
        check_temperature(temperature)
        self.model, self.eos_ids, self.temperature = base_language_model(model), list(eos_ids), temperature
        self.reason = ""
        self._inputs: list[torch.Tensor] = []  # the last input token [B] of each pass
        self._waiting: list[torch.Tensor] = []  # logits [B, V] of the latest passes
        self._done: list[TokenStats] = []  # [B, n] each, of the passes before those
        self._ended = torch.zeros(0, dtype=torch.bool)  # [B] completions known to have ended
        self._hook: RemovableHandle | None = None

    def __enter__(self) -> Self:
        if layer := _dropout_layer(self.model):
            self.reason = f"the model samples with dropout ({layer})"
        else:
            self._hook = self.model.register_forward_hook(self._see, with_kwargs=True)
        return self

    def __exit__(self, *_: object) -> None:
        if self._hook is not None:
            self._hook.remove()

    @torch.no_grad()
    def stats(
        self, prompt_ids: Sequence[Sequence[int]], completion_ids: Sequence[Sequence[int]]
    ) -> TokenStats | None:
        """Return the statistics [B, T] of these completions, T the longest; None if they are not those seen.

        Args:
            prompt_ids: B prompts, without padding.
            completion_ids: B completions, up to and including EOS, without padding.
        """
        length = max(1, *map(len, completion_ids))
        self.reason = self.reason or self._difference(prompt_ids, completion_ids, length)
        if self.reason:
            return None
        ids = torch.zeros(len(completion_ids), length, dtype=torch.long)
        mask = torch.zeros(ids.shape, dtype=torch.bool)
        for row, completion in enumerate(completion_ids):
            ids[row, : len(completion)] = torch.tensor(completion)
            mask[row, : len(completion)] = True
        done = sum(part.mask.shape[1] for part in self._done)
        if done < length:
            self._reduce(ids[:, done:])
        arrays = {
            field.name: torch.cat([getattr(part, field.name) for part in self._done], dim=1)[:, :length]
            for field in fields(TokenStats)
            if field.name != "temperature"
        }
        counted = mask.to(arrays["mask"].device)
        if not torch.equal(arrays["mask"] & counted, counted):
            self.reason = "a completion goes on after an end-of-sequence token"
            return None
        arrays = {name: values.masked_fill(~counted, 0) for name, values in arrays.items()}
        return TokenStats(**arrays, temperature=self.temperature)

    @torch.no_grad()
    def _see(self, module: torch.nn.Module, args: Any, kwargs: dict[str, Any], output: Any) -> None:
        ids = kwargs.get("input_ids")
        self._inputs.append(ids[:, -1] if isinstance(ids, torch.Tensor) else torch.zeros(0))
        if len(self._inputs[-1]) != len(self._inputs[0]):
            return  # another batch: `stats` will find the difference
        # In float32, as what is sampled from; a copy, so that the rest of the output is not kept alive.
        self._waiting.append(output.logits[:, -1].to(torch.float32, copy=True))
        if len(self._waiting) > 1 and len(self._waiting) * self._waiting[0].numel() > BUFFERED_LOGITS:
            # What was sampled from all of them but the latest are the inputs of the passes after.
            self._reduce(torch.stack(self._inputs[1 - len(self._waiting) :], dim=1))

    def _reduce(self, targets: torch.Tensor) -> None:
        """Make the statistics of the oldest waiting logits, with the tokens [B, n] sampled from them."""
        count = targets.shape[1]
        logits, self._waiting = torch.stack(self._waiting[:count], dim=1), self._waiting[count:]
        targets, ended = targets.to(logits.device), self._ended.to(logits.device)
        mask = completion_mask(targets, self.eos_ids)
        if len(ended):
            mask &= ~ended[:, None]
        self._ended = ~mask.all(1) | torch.isin(
            targets[:, -1], torch.tensor(self.eos_ids, device=logits.device)
        )
        self._done.append(token_stats(logits, targets, self.temperature, mask))

    def _difference(
        self, prompt_ids: Sequence[Sequence[int]], completion_ids: Sequence[Sequence[int]], length: int
    ) -> str:
        """Say how these completions differ from the tokens that the passes were given; "" if they do not."""
        if len(self._inputs) < length:
            return f"the model was called {len(self._inputs)} times for {length} tokens"
        if any(len(tokens) != len(completion_ids) for tokens in self._inputs):
            return "the model was not called with all prompts as one batch"
        fed = torch.stack(self._inputs, dim=1).tolist()  # [B, passes]
        for tokens, prompt, completion in zip(fed, prompt_ids, completion_ids, strict=True):
            expected = [prompt[-1], *completion][: len(tokens)]
            if tokens[: len(expected)] != expected:
                return "the model was given other tokens than these"
        return ""


def _dropout_layer(model: torch.nn.Module) -> str:
    """Return the name of a module that drops out as the model stands; "" if none does."""
    for name, module in model.named_modules():
        rate = module.p if isinstance(module, torch.nn.Dropout) else getattr(module, "attention_dropout", 0.0)
        if module.training and isinstance(rate, float) and rate > 0:
            return name
    return ""
