"""Progress displays of what trains, with the time left."""

from typing import Any, Self

from rich.console import Console
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from rlif.cli.bars import bar
from rlif.records import EvalRecord, StepRecord
from rlif.training.run import Listener


class TrainingProgress:
    """The display of one run: a bar over all steps, and a line for each evaluation."""

    def __init__(self, total_steps: int, console: Console) -> None:
        self.progress, self.console = bar(console), console
        self.task = self.progress.add_task("starting", total=total_steps, numbers="")
        self.listener = Listener(on_step=self._on_step, on_eval=self._on_eval)

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
        self.console.print(
            f"step {record.step:>5}  held-out pass@1 {record.mode:<7} {record.pass_at_1:.3f} "
            f"[{low:.3f}, {high:.3f}]  length {record.length_mean:.1f}  "
            f"reasoning {record.reasoning_share:.2f}",
            markup=False,  # [nan, nan] is not a tag
            highlight=False,
        )


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
