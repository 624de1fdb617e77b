"""`ModelScorer`: token statistics of finished completions, by a forward pass of the model that drew them."""

from collections.abc import Sequence

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from rlif.problems.prompts import Prompt, tokenize_prompts
from rlif.rollouts import Completion, TokenStats
from rlif.token_stats.forward import model_token_stats


class ModelScorer:
    """Scores the completions of one prompt at a time.

    Args:
        model: on any device, in evaluation mode.
        tokenizer: the model's.
        temperature: the logits are divided by it; 1 is the model's own distribution, as in training.
        batch_size: completions a forward pass.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        temperature: float = 1.0,
        batch_size: int = 8,
    ) -> None:
        self.model, self.tokenizer = model, tokenizer
        self.temperature, self.batch_size = temperature, batch_size

    def __call__(self, prompt: Prompt, completions: Sequence[Completion]) -> TokenStats:
        """Return the statistics [G, T] of the completions' tokens, on the host."""
        (prompt_ids,) = tokenize_prompts(self.tokenizer, [prompt])
        width = max(1, *(len(completion.token_ids) for completion in completions))
        counts = torch.tensor([[i < len(c.token_ids) for i in range(width)] for c in completions])
        # Padding is masked out: any id will do.
        rows = [[*prompt_ids, *c.token_ids, *[0] * (width - len(c.token_ids))] for c in completions]
        asked = torch.ones(len(rows), len(prompt_ids), dtype=torch.long)
        attention = torch.cat([asked, counts.long()], dim=1)
        device = self.model.device
        return model_token_stats(
            self.model,
            torch.tensor(rows).to(device),
            attention.to(device),
            width,
            counts.to(device),
            self.temperature,
            self.batch_size,
        ).numpy()
