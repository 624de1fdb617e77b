"""`output_head`: how a transformers model turns hidden states into logits.

    logits = softcap · tanh(scale · (hidden weightᵀ + bias) / softcap)

with scale 1 and no softcap in most models. The exceptions are named differently in every family, and one name
means opposite things: Granite and MiniCPM3 *divide* by `logits_scaling`, HyperCLOVA X *multiplies* by it.
"""

import re
from dataclasses import dataclass
from typing import Any

import torch

from rlif.errors import UserError
from rlif.rollouts import TokenStats
from rlif.token_stats.hidden import token_stats_from_hidden

_SOFTCAPS = ("final_logit_softcapping", "logits_soft_cap", "output_logit_soft_cap")
"""Gemma 2, 3, 3n, 4 and VaultGemma, nanochat and more; RecurrentGemma; xLSTM."""

_MULTIPLIERS = ("logit_scale", "lm_head_multiplier", "output_multiplier")
"""Cohere; Falcon-H1; Muse."""

_DIVISORS = ("logits_scaling", "logits_mup_width_multiplier")
"""Granite and MiniCPM3; Inkling."""

_MULTIPLY_BY_LOGITS_SCALING = ("hyperclovax",)

_LOOKS_LIKE_SCALING = re.compile(r"(logit|lm_head).*(scal|cap|mult|mup)")
_ELSEWHERE = re.compile(r"attn|attention|router|gate|init|max_")
"""Names with a word of these are about attention, experts, or how a weight begins."""


@dataclass(frozen=True, slots=True)
class OutputHead:
    """What is done to hidden states after the last norm.

    Attributes:
        weight: [V, H].
        bias: [V] or None.
        scale: the logits are multiplied by it.
        softcap: the logits are squashed into (−softcap, softcap) after that; None: they are not.
    """

    weight: torch.Tensor
    bias: torch.Tensor | None = None
    scale: float = 1.0
    softcap: float | None = None

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """Return the float32 logits [..., V] of hidden states [..., H]; for a few positions only."""
        logits = torch.nn.functional.linear(hidden.to(self.weight.dtype), self.weight, self.bias).float()
        logits = logits * self.scale
        return logits if self.softcap is None else self.softcap * torch.tanh(logits / self.softcap)

    def statistics(
        self,
        hidden: torch.Tensor,
        targets: torch.Tensor,
        temperature: float,
        mask: torch.Tensor | None = None,
    ) -> TokenStats:
        """Return `token_stats_from_hidden` with this head."""
        return token_stats_from_hidden(
            hidden,
            self.weight,
            targets,
            self.bias,
            temperature=temperature,
            scale=self.scale,
            softcap=self.softcap,
            mask=mask,
        )


def output_head(model: Any) -> OutputHead:
    """Read the output head of a transformers causal language model (or of one that PEFT wraps).

    Raises:
        UserError: a head that is not one matrix on this process (quantised, adapted by LoRA, sharded,
            patched), or a setting that looks like a scaling of the logits and is not known here.
    """
    model = base_language_model(model)
    name = type(model).__name__
    layer = model.get_output_embeddings()
    if type(layer) is not torch.nn.Linear or "forward" in vars(layer) or layer.weight.ndim != 2:
        raise _unknown(name, f"its output layer is a {type(layer).__name__} of a special kind")
    if type(layer.weight.data) is not torch.Tensor or layer.weight.numel() == 0:
        raise _unknown(name, "its output matrix is spread over processes")
    config = model.config.get_text_config()
    scale, softcap = 1.0, None
    for key, value in sorted(config.to_dict().items()):
        if not isinstance(value, float | int) or isinstance(value, bool):
            continue
        if key in _SOFTCAPS:
            softcap = float(value)
        elif key in _MULTIPLIERS or (key in _DIVISORS and config.model_type in _MULTIPLY_BY_LOGITS_SCALING):
            scale *= float(value)
        elif key in _DIVISORS:
            scale /= float(value)
        elif _LOOKS_LIKE_SCALING.search(key) and not _ELSEWHERE.search(key) and value not in (0, 1):
            raise _unknown(name, f"its configuration has {key} = {value}")
    # MiniCPM3 works its divisor out from the width: a property, no entry of the configuration.
    if config.model_type == "minicpm3":
        scale /= float(config.logits_scaling)
    kept = getattr(config, "unpadded_vocab_size", None)  # Inkling cuts the padded vocabulary off its logits
    parameters = {key: value.detach()[:kept] for key, value in layer.named_parameters()}
    return OutputHead(parameters["weight"], parameters.get("bias"), scale, softcap)


def base_language_model(model: Any) -> Any:
    """Return the transformers model inside a PEFT model; any other model as it is."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def _unknown(name: str, why: str) -> UserError:
    return UserError(
        f"How {name} makes its logits is not known: {why}.",
        "Take its logits and call token_stats(logits, targets); model_token_stats does so by itself.",
    )
