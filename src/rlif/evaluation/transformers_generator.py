"""Completions from a transformers model in this process."""

from collections import defaultdict
from collections.abc import Collection, Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

from rlif.completions import completion_from_ids
from rlif.evaluation.models import context_length, eos_token_ids
from rlif.evaluation.sampling import Sampling
from rlif.problems.prompts import Prompt, tokenize_prompts
from rlif.rollouts import Completion


class TransformersGenerator:
    """Draws completions in batches of similar prompt length, left-padded, with a key-value cache.

    Batches and their seeds depend on the prompts and the sampling alone. So a killed evaluation that starts
    again repeats exactly the batches it had not finished, and draws what it would have drawn.

    Args:
        model: on any device; may be in the middle of training: its mode and generation settings are put back.
        tokenizer: the model's.
        batch_size: completions drawn at a time; bounds memory.
    """

    def __init__(
        self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, batch_size: int = 16
    ) -> None:
        self.model, self.tokenizer, self.batch_size = model, tokenizer, batch_size
        self.eos_ids = eos_token_ids(model, tokenizer)

    def generate(
        self, prompts: Sequence[Prompt], sampling: Sampling, done: Collection[int] = ()
    ) -> Iterator[tuple[int, list[Completion]]]:
        """Yield (index of the prompt, its completions); see `rlif.evaluation.sampling.Generator`."""
        prompt_ids = tokenize_prompts(self.tokenizer, prompts)
        context = context_length(self.model)
        fitting = [
            index
            for index, ids in enumerate(prompt_ids)
            if context is None or len(ids) + sampling.max_tokens <= context
        ]
        # Longest first: if memory is short, it is short at once.
        fitting.sort(key=lambda index: len(prompt_ids[index]), reverse=True)
        rows = [index for index in fitting for _ in range(sampling.samples)]
        drawn: dict[int, list[Completion]] = defaultdict(list)
        for number, start in enumerate(range(0, len(rows), self.batch_size)):
            batch = rows[start : start + self.batch_size]
            if all(index in done for index in batch):
                continue
            completions = self._draw([prompt_ids[index] for index in batch], sampling, number)
            for index, completion in zip(batch, completions, strict=True):
                drawn[index].append(completion)
                if len(drawn[index]) == sampling.samples and index not in done:
                    yield index, drawn.pop(index)

    def _draw(self, prompt_ids: list[list[int]], sampling: Sampling, batch_number: int) -> list[Completion]:
        """Return one completion for each prompt of a batch."""
        width = max(len(ids) for ids in prompt_ids)
        pad = self._pad_id()
        padded = torch.tensor([[pad] * (width - len(ids)) + ids for ids in prompt_ids])
        mask = torch.tensor([[0] * (width - len(ids)) + [1] * len(ids) for ids in prompt_ids])
        device = self.model.device
        with _undisturbed(self.model, seed=sampling.seed * 1_000_003 + batch_number):
            tokens: Any = self.model.generate(  # pyright: ignore[reportCallIssue]
                input_ids=padded.to(device),
                attention_mask=mask.to(device),
                generation_config=self._settings(sampling),
            )
        return [completion_from_ids(self.tokenizer, ids, self.eos_ids) for ids in tokens[:, width:].tolist()]

    def _pad_id(self) -> int:
        pad = self.tokenizer.pad_token_id
        return pad if isinstance(pad, int) else min(self.eos_ids)

    def _settings(self, sampling: Sampling) -> GenerationConfig:
        """Return settings for nothing but temperature and top-p sampling, or greedy search."""
        drawing = {} if sampling.mode == "greedy" else {
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "top_k": 0,
        }  # fmt: skip
        return GenerationConfig(
            do_sample=sampling.mode == "sampled",
            max_new_tokens=sampling.max_tokens,
            eos_token_id=sorted(self.eos_ids),
            pad_token_id=self._pad_id(),
            use_cache=True,
            **drawing,
        )


@contextmanager
def _undisturbed(model: PreTrainedModel, seed: int) -> Generator[None]:
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
