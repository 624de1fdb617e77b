"""Shapes of models: the parameter count that follows must be the checkpoint's own, to the last one."""

import json
from pathlib import Path

import pytest

from rlif.errors import UserError
from rlif.study.shapes import MODELS, read_shape, shape_of

# As the hub shows them ("safetensors.total", a tied output head counted once).
PUBLISHED = {
    "HuggingFaceTB/SmolLM2-135M": 134_515_008,
    "HuggingFaceTB/SmolLM2-360M-Instruct": 361_821_120,
    "HuggingFaceTB/SmolLM2-1.7B-Instruct": 1_711_376_384,
    "Qwen/Qwen2.5-Coder-0.5B-Instruct": 494_032_768,
    "Qwen/Qwen2.5-Coder-1.5B": 1_543_714_304,
    "Qwen/Qwen2.5-Coder-3B-Instruct": 3_085_938_688,
    "Qwen/Qwen2.5-Coder-7B-Instruct": 7_615_616_512,
    "Qwen/Qwen3-0.6B": 596_049_920,
    "Qwen/Qwen3-1.7B": 1_720_574_976,
    "Qwen/Qwen3-4B": 4_022_468_096,
    "Qwen/Qwen3-8B": 8_190_735_360,
    "meta-llama/Llama-3.2-1B-Instruct": 1_235_814_400,
    "meta-llama/Llama-3.2-3B": 3_212_749_824,
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B": 1_777_088_000,
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B": 7_615_616_512,
}


@pytest.mark.parametrize("model", PUBLISHED)
def test_parameters_are_those_of_the_checkpoint(model: str):
    assert MODELS[model].parameters == PUBLISHED[model]


def test_lora_parameters():
    # One layer of SmolLM2-135M: q 576 -> 576, k and v 576 -> 192, o 576 -> 576, three of 576 and 1536.
    layer = (576 + 576) + 2 * (576 + 192) + (576 + 576) + 3 * (576 + 1536)
    assert MODELS["smollm2"].lora_parameters(8) == 30 * 8 * layer


def test_a_config_file_gives_the_shape_it_describes(tmp_path: Path):
    config = {
        "model_type": "qwen2",
        "hidden_size": 896,
        "intermediate_size": 4864,
        "num_hidden_layers": 24,
        "num_attention_heads": 14,
        "num_key_value_heads": 2,
        "vocab_size": 151_936,
        "tie_word_embeddings": True,
    }
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))
    assert read_shape(path) == MODELS["Qwen/Qwen2.5-Coder-0.5B"]
    assert shape_of(str(tmp_path)) == MODELS["Qwen/Qwen2.5-Coder-0.5B"]


@pytest.mark.parametrize("text", ["", "[]", '{"hidden_size": 64}', '{"hidden_size": "wide"}'])
def test_what_is_no_such_model_is_explained(tmp_path: Path, text: str):
    path = tmp_path / "config.json"
    path.write_text(text)
    with pytest.raises(UserError, match="does not say the shape"):
        read_shape(path)
    with pytest.raises(UserError, match="does not say the shape"):
        read_shape(tmp_path / "absent.json")


def test_the_embedded_model_is_read_from_its_own_config():
    shape = shape_of("minicode-base")
    assert shape
    assert (shape.layers, shape.hidden, shape.heads) == (3, 128, 4)


def test_a_model_nobody_has_heard_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    assert shape_of("nobody/nothing-1b") is None
