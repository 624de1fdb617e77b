"""`ModelShape`: what memory and time of a model follow from, for the models that presets are shipped for.

    q = heads · head_dim,  k = kv_heads · head_dim
    layer = h·q + 2·h·k + q·h + 3·h·i + 2·h  (+ q + 2·k with biases; + 2·head_dim with norms in the heads)
    N     = layers · layer + h + V·h · (1 if the output head is the embedding, else 2)

The numbers are those of the models' published config.json. Some were read from copies of these files, none
from the hub itself; what vouches for all of them is N, which equals the published parameter count of each
checkpoint to the last one (`tests/test_plan_shapes.py`).
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlif.errors import UserError

CONFIG = "config.json"


@dataclass(frozen=True, slots=True)
class ModelShape:
    """A decoder-only transformer with grouped-query attention and a gated feed-forward block.

    Attributes:
        hidden: width h of the residual stream. intermediate: width i of the feed-forward block.
        layers: their number. heads, kv_heads, head_dim: of attention.
        vocabulary: V. tied: the output head is the embedding.
        biases: on the query, key and value projections (Qwen2). head_norms: on queries and keys (Qwen3).
    """

    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    vocabulary: int
    tied: bool = True
    biases: bool = False
    head_norms: bool = False

    @property
    def queries(self) -> int:
        """Width q of all heads together."""
        return self.heads * self.head_dim

    @property
    def keys(self) -> int:
        """Width k of all key heads together; that of the values too."""
        return self.kv_heads * self.head_dim

    @property
    def layer_parameters(self) -> int:
        """Parameters of one layer."""
        biases = (self.queries + 2 * self.keys) * self.biases
        norms = 2 * self.hidden + 2 * self.head_dim * self.head_norms
        return self.hidden * (2 * self.queries + 2 * self.keys + 3 * self.intermediate) + biases + norms

    @property
    def head_parameters(self) -> int:
        """Parameters V·h of the output head."""
        return self.vocabulary * self.hidden

    @property
    def parameters(self) -> int:
        """Parameters N of the model."""
        embeddings = self.head_parameters * (1 if self.tied else 2)
        return self.layers * self.layer_parameters + self.hidden + embeddings

    @property
    def active_parameters(self) -> int:
        """Parameters that a token is multiplied with: looking up an embedding multiplies nothing."""
        return self.layers * self.layer_parameters + self.head_parameters

    def lora_parameters(self, rank: int) -> int:
        """Return the parameters of LoRA adapters (arXiv 2106.09685) on all linear maps of the layers.

        r·(in + out) each: q, o, k, v, and the three of the feed-forward block.
        """
        attention = 2 * (self.hidden + self.queries) + 2 * (self.hidden + self.keys)
        return self.layers * rank * (attention + 3 * (self.hidden + self.intermediate))


def _qwen2(*widths: int, vocabulary: int = 151_936, tied: bool = True) -> ModelShape:
    hidden, intermediate, layers, heads, kv_heads, head_dim = widths
    return ModelShape(hidden, intermediate, layers, heads, kv_heads, head_dim, vocabulary, tied, biases=True)


def _qwen3(*widths: int, tied: bool = True) -> ModelShape:
    hidden, intermediate, layers, heads = widths
    return ModelShape(hidden, intermediate, layers, heads, 8, 128, 151_936, tied, head_norms=True)


_SMOLLM2_135M = ModelShape(576, 1536, 30, 9, 3, 64, 49_152)
_QWEN2_7B = _qwen2(3584, 18_944, 28, 28, 4, 128, vocabulary=152_064, tied=False)

_FAMILIES = {
    "HuggingFaceTB/SmolLM2-135M": _SMOLLM2_135M,
    "HuggingFaceTB/SmolLM2-360M": ModelShape(960, 2560, 32, 15, 5, 64, 49_152),
    "HuggingFaceTB/SmolLM2-1.7B": ModelShape(2048, 8192, 24, 32, 32, 64, 49_152),
    "Qwen/Qwen2.5-Coder-0.5B": _qwen2(896, 4864, 24, 14, 2, 64),
    "Qwen/Qwen2.5-Coder-1.5B": _qwen2(1536, 8960, 28, 12, 2, 128),
    "Qwen/Qwen2.5-Coder-3B": _qwen2(2048, 11_008, 36, 16, 2, 128),
    "Qwen/Qwen2.5-Coder-7B": _QWEN2_7B,
    "meta-llama/Llama-3.2-1B": ModelShape(2048, 8192, 16, 32, 8, 64, 128_256),
    "meta-llama/Llama-3.2-3B": ModelShape(3072, 8192, 28, 24, 8, 128, 128_256),
}
"""Base model -> shape; the instruct model of the same name, with "-Instruct", has the same."""

MODELS = {
    "smollm2": _SMOLLM2_135M,
    **_FAMILIES,
    **{f"{name}-Instruct": shape for name, shape in _FAMILIES.items()},
    "Qwen/Qwen2.5-3B": _qwen2(2048, 11_008, 36, 16, 2, 128),
    "Qwen/Qwen3-0.6B": _qwen3(1024, 3072, 28, 16),
    "Qwen/Qwen3-1.7B": _qwen3(2048, 6144, 28, 16),
    "Qwen/Qwen3-4B": _qwen3(2560, 9728, 36, 32),
    "Qwen/Qwen3-8B": _qwen3(4096, 12_288, 36, 32, tied=False),
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B": _qwen2(1536, 8960, 28, 12, 2, 128, tied=False),
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B": _QWEN2_7B,
}
"""Model as a run file names it -> its shape."""


def shape_of(model: str) -> ModelShape | None:
    """Return the shape of a model: from the table, or from a config.json on this machine; None: not known.

    Nothing is downloaded: of a hub model that is not in the table, only the cache is looked at.

    Raises:
        UserError: a config.json that is not one of a transformer as described above.
    """
    if model in MODELS:
        return MODELS[model]
    path = _config_file(model)
    return read_shape(path) if path else None


def read_shape(path: Path) -> ModelShape:
    """Return the shape that a config.json describes.

    Raises:
        UserError: it cannot be read, or lacks what a decoder-only transformer has.
    """
    try:
        text = json.loads(path.read_text(encoding="utf-8"))
        config: dict[str, Any] = text.get("text_config", text)
        heads = int(config["num_attention_heads"])
        return ModelShape(
            hidden=int(config["hidden_size"]),
            intermediate=int(config["intermediate_size"]),
            layers=int(config["num_hidden_layers"]),
            heads=heads,
            kv_heads=int(config.get("num_key_value_heads") or heads),
            head_dim=int(config.get("head_dim") or config["hidden_size"] // heads),
            vocabulary=int(config["vocab_size"]),
            tied=bool(config.get("tie_word_embeddings", False)),
            biases=config.get("model_type") == "qwen2" or bool(config.get("attention_bias")),
            head_norms=config.get("model_type") == "qwen3",
        )
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise UserError(
            f"{path} does not say the shape of a decoder-only transformer: {type(error).__name__}: {error}.",
            "`rlif plan` knows models of the kind of Llama and Qwen; others can be trained, not planned.",
        ) from None


def _config_file(model: str) -> Path | None:
    from rlif.evaluation.models import model_source  # transformers takes seconds: not for a known model

    try:
        source = model_source(model)
    except UserError:
        return None
    if (Path(source) / CONFIG).is_file():
        return Path(source) / CONFIG
    from huggingface_hub import try_to_load_from_cache

    cached = try_to_load_from_cache(source, CONFIG)
    return Path(cached) if isinstance(cached, str) else None
