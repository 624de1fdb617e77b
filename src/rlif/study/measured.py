"""`Speed`: how long a model's completions took in earlier runs, and how many tokens they had.

Earlier runs of the same model on this machine are the measurement: medians over runs, so that one that was
disturbed does not count for more. They hold for as many runs at a time, and as long completions, as then.
"""

import os
import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rlif.errors import UserError
from rlif.records import RunDir


@dataclass(frozen=True, slots=True)
class Speed:
    """Seconds and tokens of one run of one model.

    Attributes:
        train_s: for each completion sampled and trained on. eval_s: for each completion of an evaluation.
        start_s: for starting a run. tokens: mean length of a completion.
        source: where the numbers are from.
    """

    train_s: float
    eval_s: float
    start_s: float
    tokens: float
    source: str


def measured_speed(model: str, places: Iterable[Path]) -> Speed | None:
    """Return the speed of a model from the complete runs below some directories; None if there are none."""
    found = [speed for run in _runs(places) if (speed := _speed(run, model))]
    if not found:
        return None
    medians = {
        name: statistics.median(getattr(speed, name) for speed in found)
        for name in ("train_s", "eval_s", "start_s", "tokens")
    }
    return Speed(**medians, source=f"measured: {len(found)} complete runs of {model}")


def _runs(places: Iterable[Path]) -> Iterable[RunDir]:
    for place in places:
        for folder, below, files in os.walk(place):
            if "status.json" in files:
                below.clear()
                yield RunDir(folder)


def _speed(run: RunDir, model: str) -> Speed | None:
    try:
        status, config = run.read_status(), run.config()
        if status is None or status.state != "complete" or config.get("model") != model:
            return None
        steps, evals = run.steps(), run.evals()
    except UserError:  # a damaged record of some other study is no reason not to plan this one
        return None
    grpo = config["grpo"]
    completions = len(steps) * grpo["prompts_per_step"] * grpo["num_generations"]
    evaluated = sum(record.problems * record.samples for record in evals)
    if not completions or not evaluated:
        return None
    training = sum(record.seconds.get("total", 0.0) for record in steps)
    evaluation = sum(record.seconds for record in evals)
    return Speed(
        train_s=training / completions,
        eval_s=evaluation / evaluated,
        start_s=max(0.0, status.seconds - training - evaluation),
        tokens=steps[-1].tokens / completions,
        source="",
    )
