"""`Dtype`: of a model's weights, by the names that transformers and vLLM share. Importable without torch."""

from typing import Literal

Dtype = Literal["auto", "float32", "bfloat16", "float16"]
"""auto: what the checkpoint was saved in."""
