"""`Companions`: the models that rewards look at beside the policy: where it began, and its moving average.

    ema ← decay · ema + (1 − decay) · policy,   after every update

Each is a copy of the policy's weights, in evaluation mode and without gradients, made only when a reward
needs it: one model's memory each. Both begin as the policy does at the start of the stage.
"""

import copy
from collections.abc import Collection
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from rlif.errors import UserError
from rlif.rollouts import Scorer

FILE = "rlif-ema.safetensors"
"""Where a checkpoint keeps the moving average."""


class Companions:
    """Copies of the policy by the part they play.

    Args:
        policy: as it is before training.
        scorers: those that rewards need.
        decay: of the moving average, in [0, 1): 0 is the policy itself.

    Raises:
        UserError: a decay out of range.
    """

    def __init__(self, policy: torch.nn.Module, scorers: Collection[Scorer], decay: float) -> None:
        if not 0 <= decay < 1:
            raise UserError(f"ema_decay must be at least 0 and below 1; got {decay}.")
        self.decay = decay
        self._copies = {scorer: _copy(policy) for scorer in scorers if scorer is not Scorer.POLICY}

    def __contains__(self, scorer: Scorer) -> bool:
        return scorer in self._copies

    def __getitem__(self, scorer: Scorer) -> torch.nn.Module:
        """Return the copy that plays this part."""
        return self._copies[scorer]

    @torch.no_grad()
    def follow(self, policy: torch.nn.Module) -> None:
        """Take the moving average one step towards the policy."""
        ema = dict(self[Scorer.EMA].named_parameters())
        for name, parameter in policy.named_parameters():
            ema[name].lerp_(parameter.to(ema[name].dtype), 1 - self.decay)

    def save(self, directory: Path) -> None:
        """Keep the moving average in a checkpoint. The initial model needs no keeping."""
        parameters = self[Scorer.EMA].named_parameters()
        save_file({name: p.detach().cpu().contiguous() for name, p in parameters}, directory / FILE)

    @torch.no_grad()
    def load(self, directory: Path) -> None:
        """Take the moving average from a checkpoint."""
        ema = dict(self[Scorer.EMA].named_parameters())
        for name, kept in load_file(directory / FILE).items():
            ema[name].copy_(kept)


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
        if state.is_world_process_zero:
            self.companions.save(_checkpoint(args, state))


def _checkpoint(args: TrainingArguments, state: TrainerState) -> Path:
    return Path(str(args.output_dir)) / f"checkpoint-{state.global_step}"
