"""Progress displays of what trains, with the time left."""

import math
from typing import Any, Self

from rich.console import Console
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from rlif.cli.bars import bar
from rlif.records import EvalRecord, StepRecord, StopRecord
from rlif.training.run import Listener


class TrainingProgress:
    """The display of one run: a bar over all steps, and a line for each evaluation."""

    def __init__(self, total_steps: int, console: Console) -> None:
        self.progress, self.console = bar(console), console
        self.task = self.progress.add_task("starting", total=total_steps, numbers="")
        self.listener = Listener(self._on_step, self._on_eval, self._on_stop, self._on_total_steps)

    def __enter__(self) -> Self:
        self.progress.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self.progress.__exit__(*error)

    def _on_step(self, record: StepRecord) -> None:
        numbers = (
            f"reward {record.reward:.3g}  passing {record.pass_rate:.2f}  length {record.length_mean:.0f}"
        )
        self.progress.update(self.task, description=record.stage, completed=record.step, numbers=numbers)

    def _on_eval(self, record: EvalRecord) -> None:
        low, high = record.pass_at_1_ci
        judged = math.isfinite(record.pass_at_1)  # not in a run without tests
        score = f"{record.pass_at_1:.3f} [{low:.3f}, {high:.3f}]" if judged else "–"
        self.console.print(
            f"step {record.step:>5}  held-out pass@1 {record.mode:<7} {score}  "
            f"length {record.length_mean:.1f}  reasoning {record.reasoning_share:.2f}",
            markup=False,  # an interval is not a tag
            highlight=False,
        )

    def _on_stop(self, record: StopRecord) -> None:
        what = {
            "warn": "training goes on",
            "stop": "the stage ends",
            "rollback": f"the stage ends with the policy of step {record.policy}",
        }[record.action]
        self.console.print(
            f"step {record.step:>5}  {record.rule}: {record.reason}. "
            f"Best policy so far: that of step {record.best}; {what}.",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )

    def _on_total_steps(self, total: int) -> None:
        self.progress.update(self.task, total=total)


class BaseProgress(TrainerCallback):
    """The display of a base model's training."""

    def __init__(self, total_steps: int, console: Console) -> None:
        self.progress = bar(console)
        self.task = self.progress.add_task("teaching", total=total_steps, numbers="")
        self.callback = self

    def __enter__(self) -> Self:
        self.progress.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self.progress.__exit__(*error)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Advance the bar."""
        self.progress.update(self.task, completed=state.global_step)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Show the loss."""
        if logs and "loss" in logs:
            self.progress.update(self.task, numbers=f"loss {float(logs['loss']):.3f}")
