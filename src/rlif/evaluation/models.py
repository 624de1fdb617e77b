"""Load a model and its tokenizer by alias, directory or hub id; when that fails, say plainly why."""

import os
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from accelerate import PartialState
from huggingface_hub import HfApi, try_to_load_from_cache
from huggingface_hub.errors import HfHubHTTPError
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    BitsAndBytesConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils.logging import disable_progress_bar

from rlif.errors import UserError, did_you_mean, missing_extra
from rlif.evaluation.dtype import Dtype

"""Of the weights; "auto" is what the checkpoint was saved in."""

ALIASES = ("minicode-base", "smollm2")

_HUB_ANSWER_S = 5.0


class LoadedModel(NamedTuple):
    """A model in evaluation mode on the CPU, and its tokenizer."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase


def load_model(name: str, dtype: Dtype = "float32", load_in_4bit: bool = False) -> LoadedModel:
    """Load a causal language model and its tokenizer.

    Args:
        name: "minicode-base" (ships with rlif), "smollm2" (made by `make smollm2`), a directory, or a hub id.
        dtype: of the weights.
        load_in_4bit: keep the weights of linear layers in 4 bits, to train adapters above them; the model is
            then on this process's GPU where there is one.

    Raises:
        UserError: no such model, a checkpoint or tokenizer that cannot be read, or no end-of-sequence token;
            4 bits without bitsandbytes.
    """
    source = model_source(name)
    options: dict[str, Any] = _in_4bit(dtype) if load_in_4bit else {}
    disable_progress_bar()  # the commands show a progress of their own
    try:
        _ask_hub(source)
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            source, dtype=dtype, output_loading_info=True, **options
        )
    except Exception as error:  # a damaged file can fail in any library below
        raise _unreadable(name, source, "model", error) from error
    model, info = loaded
    if info["missing_keys"]:
        some = ", ".join(sorted(info["missing_keys"])[:3])
        raise UserError(f"The checkpoint '{name}' lacks weights of its own architecture: {some}, …")
    if load_in_4bit:
        _keep_gradients(model)
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(source)
    except Exception as error:
        raise _unreadable(name, source, "tokenizer", error) from error
    eos_token_ids(model, tokenizer)
    return LoadedModel(model.eval(), tokenizer)


def model_source(name: str) -> str:
    """Return the directory or hub id that a model's name stands for.

    Raises:
        UserError: an alias whose files are not there, or a path that does not exist.
    """
    if name == "minicode-base":
        directory = Path(str(files("rlif") / "assets" / "minicode_base"))
        return _existing(directory, "The minicode base model is not in this installation.", "rlif base build")
    if name == "smollm2":
        directory = Path(os.environ.get("RLIF_MODELS", "models")) / "smollm2"
        return _existing(directory, f"SmolLM2 is not in '{directory}'.", "make smollm2")
    if Path(name).is_dir():
        return name
    if name.startswith((".", "/", "~")) or name.count("/") > 1 or Path(name).exists():
        raise UserError(f"'{name}' is not a directory.", "Give a directory with config.json and weights.")
    return name


def fingerprint(name: str) -> str:
    """Return text that identifies a model's weights.

    That is its source with size and time of each file on disk, or with the revision in the hub's cache.
    """
    source = model_source(name)
    if not Path(source).is_dir():
        cached = try_to_load_from_cache(source, "config.json")
        return f"{source}@{Path(cached).parent.name}" if isinstance(cached, str) else source
    stats = {path.name: path.stat() for path in sorted(Path(source).glob("*")) if path.is_file()}
    sizes = [f"{name}:{stat.st_size}:{stat.st_mtime_ns}" for name, stat in stats.items()]
    return " ".join([source, *sizes])


def eos_token_ids(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """Return the ids that end a completion: the tokenizer's, and those of the model's generation settings.

    Raises:
        UserError: there is none, so that no completion would ever end.
    """
    own: Any = tokenizer.eos_token_id
    configured: Any = model.generation_config.eos_token_id
    listed: list[Any] = configured if isinstance(configured, list) else [configured]
    ids = frozenset(token for token in [own, *listed] if isinstance(token, int))
    if not ids:
        raise UserError(
            "The model has no end-of-sequence token, so its completions would never end.",
            "Set eos_token in tokenizer_config.json, or eos_token_id in generation_config.json.",
        )
    return ids


def context_length(model: PreTrainedModel) -> int | None:
    """Return the longest sequence, prompt and completion together, that the model takes; None: no limit."""
    return getattr(model.config.get_text_config(), "max_position_embeddings", None)


def _ask_hub(source: str) -> None:
    """Raise at once what is wrong with a hub id; loading would try six times, which takes half a minute.

    Nothing is asked for a directory, or for a model that the cache holds.
    """
    if not Path(source).is_dir() and not isinstance(try_to_load_from_cache(source, "config.json"), str):
        HfApi().model_info(source, timeout=_HUB_ANSWER_S)


def _in_4bit(dtype: Dtype) -> dict[str, Any]:
    """Return how transformers loads a model in 4 bits: NF4, double quantisation (arXiv 2305.14314)."""
    if find_spec("bitsandbytes") is None:
        raise missing_extra("bitsandbytes", "qlora")
    how = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=None if dtype == "auto" else dtype,
    )
    return {"quantization_config": how, "device_map": {"": PartialState().device}}


def _keep_gradients(model: PreTrainedModel) -> None:
    """Keep bitsandbytes (0.50) from packing weights for the CPU in a pass without gradients.

    Once packed they stay so, and a training pass then goes through a kernel that has no backward pass.
    """
    modules: Any = model.modules()
    for module in modules:
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False


def _existing(directory: Path, message: str, command: str) -> str:
    if not (directory / "config.json").is_file():
        raise UserError(message, f"Make it with: {command}")
    return str(directory)


def _unreadable(name: str, source: str, what: str, error: Exception) -> UserError:
    reason = str(error).strip().split("\n")[0] or type(error).__name__
    if Path(source).is_dir():
        return UserError(f"The {what} in '{source}' cannot be read: {reason}")
    if isinstance(error, HfHubHTTPError) and error.response.status_code in (401, 403):
        return UserError(
            f"The hub does not give '{name}' to you ({error.response.status_code}): it is gated or private, "
            "or there is no such model.",
            f"Ask for access at https://huggingface.co/{name}, then log in with: hf auth login",
        )
    offline = " HF_HUB_OFFLINE is set: nothing is fetched." if os.environ.get("HF_HUB_OFFLINE") else ""
    return UserError(
        f"There is no directory '{name}', and the {what} cannot be fetched from the hub: {reason}{offline}",
        f"{did_you_mean(name, ALIASES)} Or give the directory of a checkpoint.",
    )
