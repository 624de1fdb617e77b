"""From rows to the records that `diagnose` reads."""

import math
import re
from collections.abc import Sequence
from typing import Any

import polars as pl

from rlif.diagnostics.logs.columns import is_percent
from rlif.diagnostics.logs.names import COMPONENT, HELD_OUT, plain
from rlif.diagnostics.logs.steps import STEP
from rlif.records import EvalRecord, RewardSummary, StepRecord

_FEW = 3
"""Columns that a note names."""


def step_records(frame: pl.DataFrame, components: Sequence[str]) -> list[StepRecord]:
    """Return a record for each row.

    Args:
        frame: columns `STEP`, "stage", fields of `StepRecord` and the component columns.
        components: names of those, as the log has them.
    """
    parts = {name: match for name in components if (match := COMPONENT.fullmatch(plain(name)))}
    return [_step_record(row, parts) for row in frame.iter_rows(named=True)]


def eval_records(frame: pl.DataFrame, columns: Sequence[str]) -> tuple[list[EvalRecord], list[str]]:
    """Return a record for each step with held-out scores, and notes.

    A log says neither how many problems there were nor which were solved, so these scores have no interval.
    Scores on several data sets are averaged, over the steps at which all were scored.

    Args:
        frame: `STEP` and the columns of scores, one row a step.
        columns: names of the scores.
    """
    rates, notes = _pass_rates(frame, columns)
    scored = pl.DataFrame([frame[STEP], *rates]).drop_nulls()
    if not rates or scored.is_empty():
        return [], notes
    usable = [series.name for series in rates]
    shown = "', '".join(usable[:_FEW]) + ("', …" if len(usable) > _FEW else "'")
    averaged = f", the mean of {len(usable)} data sets" if len(usable) > 1 else ""
    notes.append(f"Held-out pass@1 is '{shown}{averaged}, taken for a share of right answers.")
    means = scored.select(STEP, pl.mean_horizontal(usable).alias("mean"))
    samples = max(_samples(name) for name in usable)
    return [_eval_record(step, score, samples) for step, score in means.iter_rows()], notes


def _step_record(row: dict[str, Any], parts: dict[str, re.Match[str]]) -> StepRecord:
    rewards: dict[str, RewardSummary] = {}
    for column, match in parts.items():
        summary = rewards.setdefault(match["name"], RewardSummary())
        setattr(summary, match["part"], _nan(row.pop(column)))
    return StepRecord.model_validate(row | {"rewards": rewards})  # None becomes NaN


def _eval_record(step: int, score: float, samples: int) -> EvalRecord:
    return EvalRecord(
        step=step,
        stage="",
        mode="sampled",  # unknown; one mode for all, since they are compared with each other only
        samples=samples,
        temperature=math.nan,
        max_tokens=0,
        problems=0,
        pass_at_1=score,
    )


def _pass_rates(frame: pl.DataFrame, columns: Sequence[str]) -> tuple[list[pl.Series], list[str]]:
    """Return the columns that can be shares of right answers and were logged as often as any; and notes."""
    notes: list[str] = []
    usable: list[pl.Series] = []
    for name in columns:
        values = frame[name]
        if is_percent(values):
            values = values / 100
            notes.append(f"'{name}' goes beyond 1, so it was read as percent.")
        if bool(values.is_between(0, 1).all()):
            usable.append(values)
        else:
            notes.append(f"'{name}' leaves the range from 0 to 1: not taken for a share of right answers.")
    most = max((values.count() for values in usable), default=0)
    return [values for values in usable if values.count() == most], notes


def _samples(name: str) -> int:
    match = next((found for p in HELD_OUT if (found := p.fullmatch(plain(name)))), None)
    return int(match.groupdict().get("samples") or 1) if match else 1


def _nan(value: float | None) -> float:
    return math.nan if value is None else value
