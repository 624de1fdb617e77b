"""`Companions`: the models that rewards look at beside the policy: where it began, and its moving average.

    ema ← decay · ema + (1 − decay) · policy,   after every update

Each is a copy of the policy's weights, in evaluation mode and without gradients, made only when a reward
needs it: one model's memory each. Both begin as the policy does at the start of the stage.

Under FSDP2 a companion is sharded as the policy is. The average is taken weight by weight, so each process
averages the shards that it has, and keeps them in a file of its own; nothing is gathered.
"""

import copy
from collections.abc import Collection
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import fsdp2_prepare_model
from safetensors.torch import load_file, save_file
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from rlif.errors import UserError
from rlif.rollouts import Scorer
from rlif.training.processes import in_shards, processes


class Companions:
    """Copies of the policy by the part they play.

    Args:
        policy: as it is before training.
        scorers: those that rewards need.
        decay: of the moving average, in [0, 1): 0 is the policy itself.
        accelerator: the trainer's, which may shard.

    Raises:
        UserError: a decay out of range, or shards of another kind than FSDP2's.
    """

    def __init__(
        self,
        policy: torch.nn.Module,
        scorers: Collection[Scorer],
        decay: float,
        accelerator: Accelerator | None = None,
    ) -> None:
        if not 0 <= decay < 1:
            raise UserError(f"ema_decay must be at least 0 and below 1; got {decay}.")
        self.decay = decay
        self._copies = {
            scorer: _placed(_copy(policy), accelerator) for scorer in scorers if scorer is not Scorer.POLICY
        }

    def __contains__(self, scorer: Scorer) -> bool:
        return scorer in self._copies

    def __getitem__(self, scorer: Scorer) -> torch.nn.Module:
        """Return the copy that plays this part."""
        return self._copies[scorer]

    @torch.no_grad()
    def follow(self, policy: torch.nn.Module) -> None:
        """Take the moving average one step towards the policy."""
        ema = _own_parameters(self[Scorer.EMA])
        for name, parameter in _own_parameters(policy).items():
            if parameter.is_floating_point():  # 4-bit weights are never trained
                ema[name].lerp_(parameter.to(ema[name].dtype), 1 - self.decay)

    def save(self, directory: Path) -> None:
        """Keep the moving average in a checkpoint. The initial model needs no keeping."""
        parameters = _own_parameters(self[Scorer.EMA])
        file = ema_file(directory, _is_sharded(self[Scorer.EMA]))
        save_file({name: p.detach().cpu().contiguous() for name, p in parameters.items()}, file)

    @torch.no_grad()
    def load(self, directory: Path) -> None:
        """Take the moving average from a checkpoint."""
        ema = _own_parameters(self[Scorer.EMA])
        for name, kept in load_file(ema_file(directory, _is_sharded(self[Scorer.EMA]))).items():
            ema[name].copy_(kept)

    @property
    def saved_by_all(self) -> bool:
        """Whether every process has a part of the moving average to save."""
        return _is_sharded(self[Scorer.EMA])


def ema_file(directory: Path, sharded: bool) -> Path:
    """Return where a checkpoint keeps the moving average, or this process's shards of it."""
    part = f"-{processes().process_index}" if sharded else ""
    return directory / f"rlif-ema{part}.safetensors"


def _is_sharded(model: torch.nn.Module) -> bool:
    return isinstance(model, FSDPModule)


def _own_parameters(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Return what this process has of each parameter: all of it, or its shard."""
    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.reshard()  # a pass without gradients leaves the output layer gathered
    return {
        name: parameter.to_local() if isinstance(parameter, DTensor) else parameter
        for name, parameter in model.named_parameters()
    }


def _placed(model: torch.nn.Module, accelerator: Accelerator | None) -> torch.nn.Module:
    """Return a companion where the policy will be: in shards, if that one will be."""
    if accelerator is None or not in_shards(accelerator):
        return model
    if getattr(getattr(accelerator.state, "fsdp_plugin", None), "fsdp_version", None) != 2:
        raise UserError(
            "A reward asks the initial model or a moving average of the policy, which can be kept in shards "
            "under FSDP2 alone.",
            "Use fsdp_version: 2 (configs/accelerate/fsdp2.yaml), ZeRO-2 or DDP, or choose a reward that "
            "asks the policy alone.",
        )
    return fsdp2_prepare_model(accelerator, model)


def _copy(policy: torch.nn.Module) -> torch.nn.Module:
    """Return a copy in evaluation mode, without gradients, that runs on its own weights.

    Trainers wrap `forward` of a model as an attribute of that model; the wrapper that a copy inherits would
    still call the original.
    """
    twin = copy.deepcopy(policy).requires_grad_(False).eval()
    for module in twin.modules():
        module.__dict__.pop("forward", None)
    return twin


class FollowCallback(TrainerCallback):
    """Lets the moving average follow the policy, and keeps it in checkpoints.

    Args:
        companions: with a moving average.
        policy: the model in training, unwrapped.
    """

    def __init__(self, companions: Companions, policy: torch.nn.Module) -> None:
        self.companions, self.policy = companions, policy

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Go on from the checkpoint of a run that is resumed."""
        if state.global_step:
            self.companions.load(_checkpoint(args, state))

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Follow the update just made."""
        self.companions.follow(self.policy)

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Save beside the policy."""
        if state.is_world_process_zero or self.companions.saved_by_all:
            self.companions.save(_checkpoint(args, state))


def _checkpoint(args: TrainingArguments, state: TrainerState) -> Path:
    return Path(str(args.output_dir)) / f"checkpoint-{state.global_step}"
