"""An engine for verl 0.9 that puts out self-certainty, top probability and margin: VERL_ENGINE_VENDOR=rlif.

Nothing outside verl's actor sees logits. Its engine turns them into log-probabilities and entropies, a
micro-batch at a time; this is the place for `rlif.token_stats`. What an engine puts out beside those travels
to the trainer by itself, where `verl_trainer.py` reads it.
"""

from typing import Any

import torch
from tensordict import TensorDict
from verl.utils import tensordict_utils as tu
from verl.workers.engine.base import EngineRegistry
from verl.workers.engine.fsdp.transformer_impl import FSDPEngineWithLMHead
from verl_scores import statistics_of_logits


@EngineRegistry.register("language_model", backend=["fsdp", "fsdp2"], device="cuda", vendor="rlif")
class TokenStatsEngine(FSDPEngineWithLMHead):
    """verl's FSDP engine, with three more outputs in the pass that computes old log-probabilities.

    Needs packed sequences (`use_remove_padding=True`) and whole logits (`use_fused_kernels=False`, no tensor
    parallelism).
    """

    def prepare_model_outputs(
        self, output: Any, output_args: dict[str, Any], micro_batch: TensorDict, logits_processor_func: Any
    ) -> dict[str, torch.Tensor]:
        extra: dict[str, torch.Tensor] = {}
        # Asked for entropies and without a loss: the pass for old log-probabilities, on the actor.
        if logits_processor_func is None and tu.get_non_tensor_data(micro_batch, "calculate_entropy", False):
            targets, temperature = output_args["input_ids_rmpad_rolled"], output_args["temperature_rmpad"]
            packed = statistics_of_logits(output.logits[0], targets, temperature[0].item())
            offsets = micro_batch["input_ids"].offsets()
            for name, values in packed.items():
                whole = self._gather_and_unpad_packed(values, output_args["pad_size"])
                extra[name] = torch.nested.nested_tensor_from_jagged(whole, offsets)
        return super().prepare_model_outputs(output, output_args, micro_batch, logits_processor_func) | extra
