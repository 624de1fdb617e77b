"""`StageStopping`: a stopping rule that may end one stage of a run, as its run file asks.

The rule sees the stage's own records. What it says goes into RUN/stopping.jsonl, and where it ends the
stage the last step is evaluated and saved like any other stage's: its checkpoint is what the next stage
begins with. With "rollback" the weights go back first, so that checkpoint and evaluation are of the policy
that is kept.

A killed run decides again as it did: the rule follows from the records, and the checkpoint it goes back to
from the schedule, not from what happens to be on the disk. What it says counts once the checkpoint of that
step is whole; until then a run that is continued drops it and says it anew.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from rlif.config import RunConfig, StoppingTable
from rlif.diagnostics.stopping import Action, History
from rlif.errors import UserError
from rlif.records import RunDir, StopRecord
from rlif.training.checkpoints import START, WHOLE, checkpoint_step
from rlif.training.processes import asked_to_share, of_each
from rlif.training.trainer import IntrinsicGRPOTrainer


class StageStopping(TrainerCallback):
    """Asks the rule after each step; comes after `RecordCallback` and before those that evaluate and save.

    Args:
        table: the rule, and what it may do.
        run: where the records are. stage: its label. offset: steps of the stages before.
        every: steps of the run between checkpoints.
        trainer: the trainer this is a callback of.
        on_stop: called with what is recorded.
    """

    def __init__(
        self,
        table: StoppingTable,
        run: RunDir,
        stage: str,
        offset: int,
        every: int,
        trainer: IntrinsicGRPOTrainer,
        on_stop: Callable[[StopRecord], None],
    ) -> None:
        self.table, self.run, self.stage, self.offset, self.every = table, run, stage, offset, every
        self.trainer, self.on_stop = trainer, on_stop
        self._keep = 0

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """With "rollback", keep the weights at the start, and each checkpoint that may be asked for.

        Raises:
            UserError: the weights are in shards.
        """
        if self.table.action is not Action.ROLLBACK:
            return
        if self.trainer.is_fsdp_enabled or self.trainer.is_deepspeed_enabled:
            raise _no_way_back()
        args.save_total_limit = None
        if state.global_step == 0 and state.is_world_process_zero:
            kwargs["model"].save_pretrained(Path(str(args.output_dir)) / START)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Ask the rule after a training step; its answer on the first process is everybody's."""
        if logs is None or "loss" not in logs:  # the summary at the end
            return
        stop, best, reason = of_each(self._advice() if state.is_world_process_zero else None)[0]
        step, action = state.global_step, self.table.action
        self._keep = max(best - (self.offset + best) % self.every, 0)  # the last on schedule, or the start
        if not stop:
            return
        policy = self._keep if action is Action.ROLLBACK and best < step else step
        if action is not Action.WARN:
            state.max_steps = step  # the stage is that long now: its last step is evaluated and saved
            control.should_save = control.should_training_stop = True
        if policy < step:
            self._go_back(args, state, policy)
        if state.is_world_process_zero:
            record = StopRecord(
                step=self.offset + step,
                stage=self.stage,
                rule=self.table.rule.type,
                reason=reason,
                action=action.value,
                best=self.offset + best,
                policy=self.offset + policy,
            )
            self.run.append_stop(record)
            self.on_stop(record)

    def prune(self, directory: Path) -> None:
        """Delete what is older than the best policy: rules never go back behind what they once held best."""
        if self.table.action is not Action.ROLLBACK:
            return
        for path in directory.glob("checkpoint-*"):
            if checkpoint_step(path) < self._keep:
                (path / WHOLE).unlink(missing_ok=True)  # first: a kill may leave the rest
                shutil.rmtree(path)
        if self._keep:
            shutil.rmtree(directory / START, ignore_errors=True)

    def _advice(self) -> tuple[bool, int, str]:
        """Return whether to stop (with "warn": for the first time), the best policy of the stage, and why."""
        records = [record for record in self.run.steps() if record.step > self.offset]
        seen = History.of(records)
        advice = self.table.rule.advise(History(seen.steps - self.offset, seen.values))
        stop = bool(advice.stop[-1])
        if self.table.action is Action.WARN:
            stop = stop and not np.any(advice.stop[:-1])
        return stop, int(advice.best[-1]), advice.reason(-1) if stop else ""

    def _go_back(self, args: TrainingArguments, state: TrainerState, policy: int) -> None:
        """Load the weights of a checkpoint; the trainer knows how adapters are loaded."""
        path = Path(str(args.output_dir)) / (f"checkpoint-{policy}" if policy else START)
        if not path.is_dir():  # the trainer would go on with a warning
            raise UserError(
                f"{path}, which the stopping rule goes back to, is gone.",
                'Begin anew in another directory (--out), or choose stopping.action = "stop".',
            )
        state.best_model_checkpoint = str(path)
        self.trainer._load_best_model()  # pyright: ignore[reportPrivateUsage]


class PruneCheckpoints(TrainerCallback):
    """Deletes old checkpoints; comes last, when the new one is known to be whole.

    Args:
        stopping: whose checkpoints they are.
    """

    def __init__(self, stopping: StageStopping) -> None:
        self.stopping = stopping

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Delete what no rule will ask for."""
        if state.is_world_process_zero:
            self.stopping.prune(Path(str(args.output_dir)))


def check_rollback(config: RunConfig) -> None:
    """Refuse to go back where a launcher asks for FSDP or DeepSpeed, before the first stage has begun.

    Raises:
        UserError: a stage would.
    """
    tables = [config.stage_stopping(index) for index in range(len(config.stages))]
    if asked_to_share() and any(table is not None and table.action is Action.ROLLBACK for table in tables):
        raise _no_way_back()


def _no_way_back() -> UserError:
    return UserError(
        'stopping.action = "rollback" does not work with FSDP or DeepSpeed.', 'Choose "stop" or "warn".'
    )
