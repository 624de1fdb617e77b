"""What happens beside training: records, held-out evaluation, checkpoints known to be whole, stopping."""

import signal
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from rlif.diagnostics.step_metrics import summarise_groups
from rlif.records import RunDir, StepRecord
from rlif.training.checkpoints import mark_whole, save_model
from rlif.training.processes import any_of_all, processes
from rlif.training.trainer import IntrinsicGRPOTrainer, Rollouts

_SAME_REQUEST_S = 2.0
"""Ctrl-C reaches each process of a launcher twice: from the terminal, and from the launcher."""


class RecordCallback(TrainerCallback):
    """Writes metrics.jsonl and rollouts/.

    Args:
        run: where to.
        trainer: the trainer this is a callback of.
        stage: its label. offset: steps of the stages before.
        rollouts_every: steps between recorded rollouts; the first step of a stage is always recorded.
        on_step: called with each record.
    """

    def __init__(
        self,
        run: RunDir,
        trainer: IntrinsicGRPOTrainer,
        stage: str,
        offset: int,
        rollouts_every: int,
        on_step: Callable[[StepRecord], None],
    ) -> None:
        self.run, self.trainer, self.stage, self.offset = run, trainer, stage, offset
        self.rollouts_every, self.on_step = rollouts_every, on_step
        self.tokens, self.started, self.elapsed = 0, 0.0, 0.0

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Take up the token count of earlier stages, and of a run that is resumed."""
        steps = self.run.steps()
        self.tokens = steps[-1].tokens if steps else 0

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Start the clock."""
        self.started = time.perf_counter()

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Stop the clock, before an evaluation that may follow."""
        self.elapsed = time.perf_counter() - self.started

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Write one line for the step that just ended (TRL logs every step: logging_steps = 1)."""
        rollouts = self.trainer.rollouts
        if not state.is_world_process_zero or rollouts is None or logs is None or "loss" not in logs:
            return
        self.tokens += sum(len(c.token_ids) for group in rollouts.groups for c in group.completions)
        record = StepRecord(
            step=self.offset + state.global_step,
            stage=self.stage,
            tokens=self.tokens,
            seconds={"total": self.elapsed, **rollouts.seconds},
            **summarise_groups(rollouts.groups, rollouts.rewards, rollouts.combined),
            **_from_trl(logs),
        )
        self.run.append_step(record)
        if state.global_step == 1 or record.step % self.rollouts_every == 0:
            self.run.write_rollouts(record.step, rollout_rows(record.step, self.stage, rollouts))
        self.on_step(record)


def _from_trl(logs: dict[str, Any]) -> dict[str, Any]:
    """Return the numbers only TRL knows, under our names."""
    names = {
        "loss": "loss",
        "grad_norm": "grad_norm",
        "learning_rate": "learning_rate",
        "kl": "kl",
        "clip_ratio/region_mean": "clip_ratio",
    }
    return {ours: float(logs[theirs]) for theirs, ours in names.items() if logs.get(theirs) is not None}


def rollout_rows(step: int, stage: str, rollouts: Rollouts) -> list[dict[str, Any]]:
    """Return one row a completion for rollouts/*.parquet."""
    rows = list[dict[str, Any]]()
    for number, group in enumerate(rollouts.groups):
        for index, completion in enumerate(group.completions):
            verdict = group.verdicts[index] if group.verdicts else None
            place = len(rows)
            rows.append(
                {
                    "step": step,
                    "stage": stage,
                    "problem_id": group.problem.id,
                    "statement": group.problem.statement,
                    "group": number,
                    "index": index,
                    "text": completion.text,
                    "code": completion.code,
                    "tokens": len(completion.token_ids),
                    "reasoning_tokens": completion.reasoning_tokens,
                    "finished": completion.finished,
                    "reward": float(rollouts.combined[place]),
                    **{f"reward_{name}": float(values[place]) for name, values in rollouts.rewards.items()},
                    "passed": verdict.passed if verdict else None,
                    "status": str(verdict.status) if verdict else None,
                }
            )
    return rows


class EvaluationCallback(TrainerCallback):
    """Evaluates before the first step of the run, every `every` steps, and after the last step of a stage."""

    def __init__(self, evaluate: Callable[[int], None], offset: int, every: int) -> None:
        self.evaluate, self.offset, self.every = evaluate, offset, every

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Evaluate what the run begins with; where weights are sharded, they are by now."""
        if self.offset + state.global_step == 0:
            self.evaluate(0)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Evaluate after the step is recorded, which may have ended the stage, and before it is saved."""
        if logs is None or "loss" not in logs:
            return
        step = self.offset + state.global_step
        if step % self.every == 0 or state.global_step == state.max_steps:
            self.evaluate(step)


class CheckpointCallback(TrainerCallback):
    """Saves every `every` steps of the run and after the last of a stage; marks what was saved completely.

    Args:
        trainer: the trainer this is a callback of.
        offset: steps of the stages before.
        every: steps between checkpoints.
    """

    def __init__(self, trainer: IntrinsicGRPOTrainer, offset: int, every: int) -> None:
        self.trainer, self.offset, self.every = trainer, offset, every

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Ask for a checkpoint when one is due."""
        due = (self.offset + state.global_step) % self.every == 0 or state.global_step == state.max_steps
        if due or control.should_training_stop:
            control.should_save = True

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Leave the mark once all processes have written; a run killed while it saves has none."""
        directory = Path(str(args.output_dir)) / f"checkpoint-{state.global_step}"
        if state.global_step == state.max_steps:
            save_model(self.trainer, directory)  # the next stage begins with it
        mark_whole(directory)


class StopOnSignal(TrainerCallback):
    """On Ctrl-C or SIGTERM, end after the step in flight with a checkpoint; a second signal ends at once."""

    def __init__(self) -> None:
        self.requested, self._requested_at = False, 0.0
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> "StopOnSignal":
        for number in (signal.SIGINT, signal.SIGTERM):
            self._previous[number] = signal.signal(number, self._request)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _request(self, number: int, frame: FrameType | None) -> None:
        again = time.monotonic() - self._requested_at
        if self.requested and not (processes().num_processes > 1 and again < _SAME_REQUEST_S):
            raise KeyboardInterrupt
        self.requested, self._requested_at = True, time.monotonic()

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Pass the request on to the trainer; CheckpointCallback then saves.

        Processes get their signals at different steps, and have to end after the same one.
        """
        self.requested = any_of_all(self.requested)
        if self.requested:
            control.should_training_stop = True
