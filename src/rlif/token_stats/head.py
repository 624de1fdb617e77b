"""`output_head`: how a transformers model turns hidden states into logits.

    logits = softcap · tanh(scale · (hidden weightᵀ + bias) / softcap)

with scale 1 and no softcap in most models. The exceptions are named differently in every family, and one name
means opposite things: Granite and MiniCPM3 *divide* by `logits_scaling`, HyperCLOVA X *multiplies* by it.
"""

import importlib
import re
from dataclasses import dataclass
from typing import Any

import torch
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor

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

    A head in shards (FSDP2, ZeRO-3) is gathered, as in every pass of the model: all processes have to ask.

    Raises:
        UserError: a head that is not one matrix (quantised, adapted by LoRA, patched), or a setting that
            looks like a scaling of the logits and is not known here.
    """
    model = base_language_model(model)
    name = type(model).__name__
    layer = model.get_output_embeddings()
    plain = type(layer) is torch.nn.Linear or type(layer).__bases__ == (FSDPModule, torch.nn.Linear)
    if not plain or "forward" in vars(layer):
        raise _unknown(name, f"its output layer is a {type(layer).__name__} of a special kind")
    parameters = {key: _gathered(value) for key, value in layer.named_parameters()}
    weight = parameters["weight"]
    if type(weight) is not torch.Tensor or weight.ndim != 2 or weight.numel() == 0:
        raise _unknown(name, "its output matrix is spread over processes, or not a matrix")
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
    parameters = {key: value[:kept] for key, value in parameters.items()}
    return OutputHead(parameters["weight"], parameters.get("bias"), scale, softcap)


def _gathered(parameter: torch.nn.Parameter) -> torch.Tensor:
    """Return all of a parameter, of which this process may have a shard."""
    if isinstance(parameter, DTensor):  # FSDP2
        return parameter.full_tensor().detach()
    if hasattr(parameter, "ds_id"):  # DeepSpeed ZeRO-3
        deepspeed: Any = importlib.import_module("deepspeed")
        with deepspeed.zero.GatheredParameters([parameter]):
            return parameter.detach().clone()
    return parameter.detach()


def base_language_model(model: Any) -> Any:
    """Return the transformers model inside a PEFT model; any other model as it is."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def _unknown(name: str, why: str) -> UserError:
    return UserError(
        f"How {name} makes its logits is not known: {why}.",
        "Take its logits and call token_stats(logits, targets); model_token_stats does so by itself.",
    )
