"""What can be wrong with vLLM before a stage samples with it: not installed, or a server of another model.

TRL overwrites a server's weights with those it trains, by name: a server of another model fails there with
shapes, after the models are loaded. It is asked beforehand, by the OpenAI route that vLLM serves. One that
does not answer yet is left to TRL, which waits for it (`vllm_server_timeout`).
"""

import json
import urllib.request
from importlib.util import find_spec
from pathlib import PurePath
from typing import Any

from rlif.config import GRPOTable
from rlif.errors import UserError, missing_extra
from rlif.evaluation.models import model_source

_ANSWER_S = 5.0


def check_vllm(model: str, table: GRPOTable) -> None:
    """Check the vLLM of one stage, if it samples with it.

    Args:
        model: the run's, by the name that its run file gives.
        table: the stage's settings; vLLM's are in `extra`, under TRL's names.

    Raises:
        UserError: vLLM is not installed; the server serves another model, or takes too few tokens.
    """
    if not table.extra.get("use_vllm"):
        return
    if find_spec("vllm") is None:
        raise missing_extra("vllm", "vllm")
    if table.extra.get("vllm_mode", "colocate") != "server":
        return
    address = _address(table.extra)
    served = _served(address)
    if served is None:
        return
    name, length = str(served.get("id", "")), served.get("max_model_len")
    source = model_source(model)  # a server knows nothing of our names, only of directories and hub ids
    if _short(name) not in (_short(model), _short(source)):
        raise UserError(
            f"The vLLM server at {address} serves '{name}'; this run trains '{model}'.",
            f"Start it with: trl vllm-serve --model {source} (or, if it is the same model in another place, "
            f"with --served-model-name {model}).",
        )
    if isinstance(length, int) and length <= table.max_completion_length:
        raise UserError(
            f"The vLLM server at {address} takes {length} tokens, prompt and completion together; "
            f"grpo.max_completion_length = {table.max_completion_length}.",
            "Start it with a larger --max_model_len, or lower grpo.max_completion_length.",
        )


def _address(extra: dict[str, Any]) -> str:
    """Return where TRL will look for the server; the defaults are its own."""
    if url := extra.get("vllm_server_base_url"):
        return str(url).rstrip("/")
    return f"http://{extra.get('vllm_server_host', '0.0.0.0')}:{extra.get('vllm_server_port', 8000)}"


def _served(address: str) -> dict[str, Any] | None:
    """Return what the server says of its model; None where it does not answer, or does not say."""
    try:
        with urllib.request.urlopen(f"{address}/v1/models", timeout=_ANSWER_S) as answer:
            return json.load(answer)["data"][0]
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _short(model: str) -> str:
    return PurePath(model).name.lower()
