"""Loading a model by directory, alias or hub id, and the message for each way it can fail."""

import shutil
import time
from pathlib import Path

import pytest
import torch
from hub_server import Hub, serve
from safetensors.torch import load_file, save_file
from tiny_models import tiny_llama, tiny_tokenizer

from rlif.errors import UserError
from rlif.evaluation import Sampling
from rlif.evaluation.backends import BackendName, Options, make_generator
from rlif.evaluation.models import fingerprint, load_model


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    tokenizer = tiny_tokenizer()
    tiny_llama(tokenizer).save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def test_a_directory_loads_with_its_tokenizer(checkpoint: Path):
    model, tokenizer = load_model(str(checkpoint), "bfloat16")
    assert model.dtype == torch.bfloat16
    assert not model.training
    assert tokenizer.eos_token == "</s>"
    assert "[assistant]" in tokenizer.chat_template


def test_a_damaged_checkpoint_is_named(checkpoint: Path):
    weights = checkpoint / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(UserError, match=f"model in '{checkpoint}' cannot be read"):
        load_model(str(checkpoint))


def test_weights_of_another_architecture_are_refused(checkpoint: Path):
    weights = load_file(checkpoint / "model.safetensors")
    save_file(
        {f"other.{k}": v for k, v in weights.items()}, checkpoint / "model.safetensors", {"format": "pt"}
    )
    with pytest.raises(UserError, match="lacks weights"):
        load_model(str(checkpoint))


def test_a_missing_tokenizer_is_named(checkpoint: Path):
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (checkpoint / name).unlink()
    with pytest.raises(UserError, match="tokenizer"):
        load_model(str(checkpoint))


def test_a_model_that_cannot_end_is_refused(tmp_path: Path):
    tokenizer = tiny_tokenizer()
    tokenizer.eos_token = None
    tiny_llama(tokenizer, eos_token_id=None).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(UserError, match="no end-of-sequence token"):
        load_model(str(tmp_path))


def test_smollm2_says_how_to_make_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RLIF_MODELS", str(tmp_path))
    with pytest.raises(UserError, match="make smollm2"):
        load_model("smollm2")


def test_a_path_that_is_not_there_is_not_looked_up_on_the_hub(tmp_path: Path):
    with pytest.raises(UserError, match="is not a directory"):
        load_model(str(tmp_path / "nothing"))


def test_a_hub_id_that_cannot_be_fetched_suggests_an_alias(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match="Did you mean 'smollm2'"):
        load_model("smolm2")


@pytest.mark.parametrize("status", [401, 403])
def test_a_gated_model_says_where_to_ask_and_how_to_log_in(status: int, monkeypatch: pytest.MonkeyPatch):
    hub = Hub({})
    hub.status = status
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    with serve(hub) as address:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
        with pytest.raises(UserError, match="gated or private") as refused:
            load_model("meta-llama/Llama-3.2-1B")
    assert "https://huggingface.co/meta-llama/Llama-3.2-1B" in str(refused.value)
    assert "hf auth login" in str(refused.value)


def test_a_hub_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    started = time.monotonic()
    with pytest.raises(UserError, match="cannot be fetched from the hub"):
        load_model("some/model")
    assert time.monotonic() - started < 5


def test_a_model_in_the_hubs_cache_loads_offline_and_is_known_by_its_revision(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    repository = tmp_path / "hub" / "models--some--model"
    shutil.copytree(checkpoint, repository / "snapshots" / "abc123")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("abc123")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert load_model("some/model").tokenizer.eos_token == "</s>"
    assert fingerprint("some/model") == "some/model@abc123"


class TestTransformersBackend:
    def test_it_knows_what_an_evaluation_asks_of_it(self, checkpoint: Path):
        backend = make_generator(BackendName.TRANSFORMERS, str(checkpoint), Options(batch_size=2))
        assert (backend.chat, backend.context) == (True, 256)
        assert backend.identity == fingerprint(str(checkpoint))
        assert backend.settings[0] == "transformers"
        assert backend.model.device.type == ("cuda" if torch.cuda.is_available() else "cpu")
        assert len(list(backend.generator.generate(["def", "x"], Sampling(max_tokens=4)))) == 2

    def test_the_dtype_can_be_chosen(self, checkpoint: Path):
        backend = make_generator(BackendName.TRANSFORMERS, str(checkpoint), Options(dtype="bfloat16"))
        assert backend.model.dtype == torch.bfloat16

    @pytest.mark.skipif(torch.cuda.is_available(), reason="the checkpoint's own dtype on a GPU")
    def test_halves_are_not_used_on_a_cpu_unless_asked_for(self, tmp_path: Path):
        tokenizer = tiny_tokenizer(chat=False)
        tiny_llama(tokenizer).to(torch.bfloat16).save_pretrained(tmp_path)
        tokenizer.save_pretrained(tmp_path)
        backend = make_generator(BackendName.TRANSFORMERS, str(tmp_path))
        assert backend.model.dtype == torch.float32
        assert not backend.chat
        auto = make_generator(BackendName.TRANSFORMERS, str(tmp_path), Options(dtype="auto"))
        assert auto.model.dtype == torch.bfloat16

    def test_the_style_is_chosen_knowing_the_template_and_brings_its_rule(self, checkpoint: Path):
        backend = make_generator(
            BackendName.TRANSFORMERS, str(checkpoint), style_of=lambda chat: "lcb-base" if chat else "rlif"
        )
        assert backend.style == "lcb-base"
        ((_, (completion,)),) = backend.generator.generate(["def"], Sampling(max_tokens=8))
        assert completion.code == completion.text.strip() != ""  # a continuation: all of it
