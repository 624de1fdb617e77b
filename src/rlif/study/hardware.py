"""Models and accelerators, as far as an estimate of time and memory needs them.

Shapes are those of the models' published config.json; accelerators' figures are their makers' (dense bf16).
"""

from dataclasses import dataclass

from rlif.errors import UserError, did_you_mean


@dataclass(frozen=True, slots=True)
class ModelShape:
    """A decoder-only transformer with grouped-query attention.

    Attributes:
        parameters: their number. layers, kv_heads, head_dim: what its KV cache follows from.
        vocabulary: number of tokens.
    """

    parameters: float
    layers: int
    kv_heads: int
    head_dim: int
    vocabulary: int

    @property
    def kv_bytes_per_token(self) -> int:
        """Bytes of keys and values for one token in bf16: 2 (K, V) · layers · heads · width · 2 bytes."""
        return 2 * self.layers * self.kv_heads * self.head_dim * 2


@dataclass(frozen=True, slots=True)
class Gpu:
    """An accelerator: peak bf16 FLOP/s, memory bandwidth in bytes/s, memory in bytes."""

    flops: float
    bandwidth: float
    memory: float


MODELS = {
    "HuggingFaceTB/SmolLM2-135M-Instruct": ModelShape(135e6, 30, 3, 64, 49_152),
    "smollm2": ModelShape(135e6, 30, 3, 64, 49_152),
    "Qwen/Qwen2.5-Coder-0.5B-Instruct": ModelShape(0.49e9, 24, 2, 64, 151_936),
    "Qwen/Qwen2.5-Coder-1.5B-Instruct": ModelShape(1.54e9, 28, 2, 128, 151_936),
    "Qwen/Qwen2.5-Coder-3B-Instruct": ModelShape(3.09e9, 36, 2, 128, 151_936),
    "Qwen/Qwen2.5-Coder-7B-Instruct": ModelShape(7.62e9, 28, 4, 128, 152_064),
    "Qwen/Qwen3-1.7B": ModelShape(1.72e9, 28, 8, 128, 151_936),
    "Qwen/Qwen3-4B": ModelShape(4.02e9, 36, 8, 128, 151_936),
    "Qwen/Qwen3-8B": ModelShape(8.19e9, 36, 8, 128, 151_936),
}

GPUS = {
    "a100": Gpu(312e12, 2.0e12, 80e9),
    "h100": Gpu(989e12, 3.35e12, 80e9),
    "h200": Gpu(989e12, 4.8e12, 141e9),
}


def gpu_named(name: str) -> Gpu:
    """Return an accelerator by name.

    Raises:
        UserError: it is not in the table.
    """
    if name not in GPUS:
        raise UserError(f"resources.gpu = '{name}' is not known.", did_you_mean(name, GPUS))
    return GPUS[name]
