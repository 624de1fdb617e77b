"""`CollapseCallback`: a stopping rule that watches a running job, in any trainer of transformers or TRL.

It reads what the trainer logs (docs/diagnose.md has the names), asks the rule after each logged step, and
warns, stops, or stops and restores the best checkpoint. Nothing of its own has to be saved: the advice
follows from the log, which `TrainerState` keeps in every checkpoint, so a resumed job decides as an unbroken
one.

Restoring is left to the trainer, which knows how to load sharded weights and adapters: the callback names
the best checkpoint in `TrainerState.best_model_checkpoint`, which also keeps it from being rotated away, and
turns `load_best_model_at_end` on when it stops.
"""

import logging
import math
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from accelerate import PartialState
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedType, broadcast_object_list
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_utils import IntervalStrategy, SaveStrategy

from rlif.diagnostics.logs.names import candidates
from rlif.diagnostics.step_metrics import summarise_groups
from rlif.diagnostics.stopping import DEFAULT_RULE, Action, History, Signal, StoppingRule
from rlif.errors import UserError
from rlif.training.checkpoints import START
from rlif.training.trainer import IntrinsicGRPOTrainer

_logger = logging.getLogger(__name__)


class CollapseWarning(UserWarning):
    """A stopping rule says that a run should stop."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """What the rule said when it said stop.

    Attributes:
        step: the logged step. reason: with its numbers.
        best: number of updates of the best policy so far, by the rule.
    """

    step: int
    reason: str
    best: int


class CollapseCallback(TrainerCallback):
    """Watches a run with a stopping rule.

    Attributes:
        stopped: what the rule said, once it has said stop; on every process.
        restored: with `Action.ROLLBACK`, the checkpoint whose weights the model has after training: the last
            one saved at or before the best policy. Save often.
    """

    def __init__(
        self,
        rule: StoppingRule | None = None,
        action: Action | str = Action.WARN,
        trainer: IntrinsicGRPOTrainer | None = None,
    ) -> None:
        """Make a callback.

        Args:
            rule: default: `DEFAULT_RULE`, a signal out of its healthy range.
            action: "warn", "stop" or "rollback".
            trainer: gives reasoning, agreement and the other signals that TRL does not log; they are added to
                the log. Other trainers do without.

        Raises:
            UserError: there is no such action.
        """
        if action not in set(Action):
            raise UserError(f"action = {action!r} is unknown.", f"Choose one of: {', '.join(Action)}.")
        self.rule, self.action, self.trainer = rule or DEFAULT_RULE, Action(action), trainer
        self.stopped: Stopped | None = None
        self.restored: Path | None = None
        self._best = 0
        self._saved: set[int] = set()

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Refuse what cannot work; keep the weights at the start, which may turn out to be the best.

        Raises:
            UserError: nothing is logged, or, with "rollback", nothing is saved or something else chooses.
        """
        if args.logging_strategy == IntervalStrategy.NO:
            raise UserError("CollapseCallback sees nothing: nothing is logged.", "Set logging_steps=1.")
        self.stopped, self.restored = None, None
        if self.action is not Action.ROLLBACK:
            return
        _refuse_without_checkpoints(args)
        # An earlier run may have left checkpoints here: only what this one has seen counts.
        self._saved = {step for step in _steps_on_disk(args) if step <= state.global_step}
        if state.global_step == 0 and args.should_save and not _sharded():
            kwargs["model"].save_pretrained(Path(str(args.output_dir)) / START)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Ask the rule after a training step; its answer on the first process is everybody's.

        Raises:
            UserError: the log has none of the signals that the rule looks at.
        """
        if logs is None or "loss" not in logs:  # an evaluation, or the summary at the end
            return
        stop, first, self._best, reason = _agreed(self._ask(state))
        told = stop and (first or self.action is not Action.WARN)
        if told:
            self.stopped = Stopped(state.global_step, reason, self._best)
        if self.action is Action.ROLLBACK:
            self._protect(args, state)
            control.should_save |= stop and self._best >= state.global_step
        if told:
            self._tell(state)
        control.should_training_stop |= stop and self.action is not Action.WARN

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Take up the new checkpoint, where it is the best."""
        if self.action is Action.ROLLBACK:
            self._saved.add(state.global_step)
            self._protect(args, state)

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Say which weights the model has now."""
        if self.action is Action.ROLLBACK and args.load_best_model_at_end and state.best_model_checkpoint:
            self.restored = Path(state.best_model_checkpoint)
            args.load_best_model_at_end = False  # as it was
            if state.is_world_process_zero:
                _logger.warning("The model has the weights of %s.", self.restored)

    def _ask(self, state: TrainerState) -> tuple[bool, bool, int, str]:
        """Return whether to stop, whether that is said for the first time, the best policy, and why."""
        if self.trainer is not None and self.trainer.rollouts is not None:
            rollouts = self.trainer.rollouts
            found = summarise_groups(rollouts.groups, rollouts.rewards, rollouts.combined)
            state.log_history[-1].update({str(name): found[name] for name in Signal if name in found})
        history = history_of(state.log_history)
        if self.rule.signals and not history.recorded(self.rule.signals):
            raise UserError(
                f"The rule '{self.rule.type}' looks at {', '.join(self.rule.signals)}; "
                f"the trainer logs only {', '.join(sorted(state.log_history[-1]))}.",
                "Choose a rule that looks at what is logged, such as "
                "CollapseCallback(MaxReward()) from rlif.diagnostics.stopping.",
            )
        advice = self.rule.advise(history)
        stop = bool(advice.stop[-1])
        first = stop and not advice.stop[:-1].any()
        return stop, first, int(advice.best[-1]), advice.reason(-1) if stop else ""

    def _protect(self, args: TrainingArguments, state: TrainerState) -> None:
        """Name the last checkpoint at or before the best policy: rotation spares it, the trainer loads it."""
        early = [step for step in self._saved & _steps_on_disk(args) if step <= self._best]
        start = Path(str(args.output_dir)) / START
        path = start.with_name(f"checkpoint-{max(early)}") if early else start if start.is_dir() else None
        state.best_model_checkpoint = _agreed(str(path) if path else None)
        args.load_best_model_at_end = self.stopped is not None and state.best_model_checkpoint is not None

    def _tell(self, state: TrainerState) -> None:
        if self.stopped is None or not state.is_world_process_zero:
            return
        what = {
            Action.WARN: "Training goes on.",
            Action.STOP: "Training stops.",
            Action.ROLLBACK: "Training stops and goes back to it."
            if state.best_model_checkpoint
            else "Training stops; no checkpoint is that old, so the weights stay as they are.",
        }[self.action]
        found = self.stopped
        text = (
            f"Collapse suspected at step {found.step} by the rule '{self.rule.type}': {found.reason}. "
            f"The best policy so far is the one after {found.best} updates. {what}"
        )
        _logger.warning(text)
        warnings.warn(text, CollapseWarning, stacklevel=2)


def history_of(log_history: list[dict[str, Any]]) -> History:
    """Return what a trainer has logged of its training steps, in `TrainerState.log_history`."""
    rows = [row for row in log_history if "loss" in row]
    values = {name: np.array([_value(row, name) for row in rows], dtype=float) for name in Signal}
    return History(np.array([row["step"] for row in rows], dtype=int), values)


def _value(row: dict[str, Any], signal: Signal) -> float:
    found = (row[name] for name in candidates(signal) if row.get(name) is not None)
    return float(next(found, math.nan))


def _steps_on_disk(args: TrainingArguments) -> set[int]:
    numbers = (path.name.rpartition("-")[2] for path in Path(str(args.output_dir)).glob("checkpoint-*"))
    return {int(number) for number in numbers if number.isdigit()}


def _agreed(value: Any) -> Any:
    """Return the value of the first process, on all: they have to stop at the same step."""
    if PartialState().num_processes == 1:
        return value
    return broadcast_object_list([value])[0]


def _sharded() -> bool:
    """Whether a launcher or the arguments ask for FSDP or DeepSpeed; the accelerator knows."""
    return AcceleratorState().distributed_type in (DistributedType.FSDP, DistributedType.DEEPSPEED)


def _refuse_without_checkpoints(args: TrainingArguments) -> None:
    if args.save_strategy == SaveStrategy.NO:
        raise UserError(
            'action="rollback" needs checkpoints, and save_strategy is "no".',
            'Set save_strategy="steps" and save_steps=10, say; or choose action="stop".',
        )
    if args.load_best_model_at_end or args.metric_for_best_model is not None:
        raise UserError(
            'With action="rollback" the rule chooses the best checkpoint, but load_best_model_at_end or '
            "metric_for_best_model asks for the one of an evaluation.",
            'Leave both out, or choose action="stop".',
        )
    if args.save_only_model and _sharded():
        raise UserError(
            "Sharded weights cannot be loaded again from a checkpoint that holds nothing but the model.",
            'Set save_only_model=False, or choose action="stop".',
        )
