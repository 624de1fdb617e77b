"""`export`: a study's runs as one table, results.parquet: what claims and anybody's own analysis start from.

One row for each run, evaluation and sampling mode, in the order of study.json, then of steps. It holds no
times, so an interrupted study gives the same table as one that was not.
"""

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from rlif.conclusions.families import family_of, reward_text, rlif_steps, role_of, stage_steps
from rlif.config import RunConfig, validated
from rlif.diagnostics import diagnose
from rlif.diagnostics.stopping import DEFAULT_RULE, History
from rlif.errors import UserError
from rlif.records import EvalRecord, RunDir, RunInfo, StepRecord, StudyDir
from rlif.records.files import write_atomic
from rlif.records.schema import NAN

OF_EVALUATION = (
    "pass_at_1",
    "length_mean",
    "reasoning_rate",
    "reasoning_share",
    "truncated",
    "no_code",
)
OF_TRAINING = {
    "entropy": "entropy",
    "self_certainty": "self_certainty",
    "reward_mean": "reward",
    "majority_share": "majority_share",
    "train_pass_rate": "pass_rate",
}
"""Column -> field of the `StepRecord` of the same step; NaN before the first."""

COLUMNS: dict[str, Any] = {
    **dict.fromkeys(("study", "run", "arm", "role", "reward", "family", "variation"), pl.String),
    "seed": pl.Int64,
    "temperature": pl.Float64,
    **dict.fromkeys(("num_generations", "train_size", "rlif_steps", "total_steps", "step"), pl.Int64),
    **dict.fromkeys(("stage", "mode"), pl.String),
    "samples": pl.Int64,
    "problems": pl.List(pl.String),
    "correct": pl.List(pl.Int64),
    **dict.fromkeys(OF_EVALUATION, pl.Float64),
    **dict.fromkeys(("collapse_step", "decline_step", "dead_step", "stop_step"), pl.Float64),
    "complete": pl.Boolean,
    **dict.fromkeys(OF_TRAINING, pl.Float64),
}
"""Columns of results.parquet; docs/studies.md says what they mean. `train_size` is null without a limit."""


def results(directory: Path) -> pl.DataFrame:
    """Return the table of a study directory; runs that were not evaluated yet have no rows.

    Raises:
        UserError: it is none, a file is damaged, or no run has been evaluated yet.
    """
    place = StudyDir(directory)
    study = place.info().name
    rows = [row for info, run in place.runs() for row in _rows(study, info, run)]
    if not rows:
        raise UserError(f"No run in {directory} has been evaluated yet.", "Run the study first.")
    return pl.DataFrame(rows, schema=COLUMNS)


def export(directory: Path) -> tuple[Path, Path]:
    """Write results.parquet and results.csv into a study directory, and return their paths.

    The CSV leaves out the scores of single problems, of which it cannot hold lists.

    Raises:
        UserError: as `results`, or the files cannot be written.
    """
    table = results(directory)
    parquet, csv = directory / "results.parquet", directory / "results.csv"
    buffer = io.BytesIO()
    table.write_parquet(buffer, compression="zstd", compression_level=19)
    write_atomic(parquet, buffer.getvalue())
    write_atomic(csv, table.drop("problems", "correct").write_csv().encode())
    return parquet, csv


def _rows(study: str, info: RunInfo, run: RunDir) -> Iterator[dict[str, Any]]:
    evals, steps, status = run.evals(), run.steps(), run.read_status()
    if not evals:
        return
    config = validated(RunConfig, run.config(), str(run.config_path))
    more = info.model_extra or {}
    made = stage_steps(config, run.stops())
    collapse = diagnose(steps, evals).collapse
    both = [step for step in (collapse.decline_step, collapse.accuracy_step) if step is not None]
    of_run = {
        "study": study,
        "run": info.id,
        "arm": more.get("arm", info.id),
        "role": str(info.role or role_of(steps)),
        "reward": reward_text(config),
        "family": family_of(config),
        "variation": more.get("variation", ""),
        "seed": config.seed,
        "temperature": config.stage_grpo(0).temperature,
        "num_generations": config.stage_grpo(0).num_generations,
        "train_size": config.stage_problems(0).limit,
        "rlif_steps": rlif_steps(config, made),
        "total_steps": sum(made),
        "collapse_step": float(min(both, default=NAN)),
        "decline_step": _or_nan(collapse.decline_step),
        "dead_step": _or_nan(collapse.accuracy_step),
        "stop_step": _stop_step(steps) if len(config.stages) == 1 else NAN,
        "complete": status is not None and status.state == "complete",
    }
    training = {record.step: record for record in steps}
    for record in sorted(evals, key=lambda record: (record.step, record.mode)):
        yield {**of_run, **_of_evaluation(record), **_of_training(training.get(record.step))}


def _of_evaluation(record: EvalRecord) -> dict[str, Any]:
    correct = sorted(record.correct.items())
    return {
        **{name: getattr(record, name) for name in ("step", "stage", "mode", "samples", *OF_EVALUATION)},
        "problems": [name for name, _ in correct],
        "correct": [count for _, count in correct],
    }


def _of_training(record: StepRecord | None) -> dict[str, float]:
    return {column: getattr(record, field) if record else NAN for column, field in OF_TRAINING.items()}


def _stop_step(steps: Sequence[StepRecord]) -> float:
    """Return the updates of the policy that the shipped stopping rule keeps; NaN where it never stops."""
    advice = DEFAULT_RULE.advise(History.of(steps))
    return NAN if advice.first is None else float(advice.best[advice.first])


def _or_nan(step: int | None) -> float:
    return NAN if step is None else float(step)
