"""From columns to one row a step: restarts, repeated steps, missing steps, logs of a million rows."""

from collections.abc import Sequence

import polars as pl

from rlif.diagnostics.logs.names import EVAL_STEP

STEP = "step"

MOST_POINTS = 2000
"""Rows beyond which neighbouring steps are averaged: more show no trend that these do not."""

_LAST_STEP = 10**15
_ENDS_EARLY = 0.1
"""A metric missing from the last tenth of the steps has ended: the run diverged, or logs it no more."""


def with_steps(frame: pl.DataFrame, columns: Sequence[str]) -> tuple[pl.DataFrame, list[str]]:
    """Return the frame with an integer column `STEP`, rows without a step left out, and notes.

    Args:
        frame: of one run.
        columns: of the step, the one that counts first. Another fills its gaps where it never disagrees (verl
            logs its first evaluation without `training/global_step`); `EVAL_STEP` always does.
    """
    if not columns:
        note = "No step column: rows were counted from 1 (--map step=COLUMN names one)."
        return frame.with_row_index(STEP, offset=1).with_columns(pl.col(STEP).cast(pl.Int64)), [note]
    steps = frame[columns[0]]
    for name in columns[1:]:
        other = frame[name]
        if name == EVAL_STEP or bool((steps == other).fill_null(True).all()):
            steps = steps.zip_with(steps.is_not_null(), other)
    valid = (steps >= 0) & (steps <= _LAST_STEP)
    frame = frame.with_columns(steps.cast(pl.Int64, strict=False).alias(STEP))
    return frame.filter(valid.fill_null(False)), []


def one_row_a_step(frame: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    """Return ascending steps, once each, and notes.

    Where step numbers go back the run was resumed from a checkpoint, or started anew: what was logged before
    for these and later steps is dropped, since that policy was thrown away. Rows of one step are merged; the
    last value of each column counts.
    """
    notes: list[str] = []
    steps = frame[STEP]
    back = (steps.diff() < 0).fill_null(False)
    restarts = int(back.sum())
    if restarts:
        # The step of the restart in the row that makes it, and the lowest of all restarts after each row.
        restart = steps.zip_with(back, pl.Series([_LAST_STEP + 1]))
        lowest_later = restart.shift(-1, fill_value=_LAST_STEP + 1).reverse().cum_min().reverse()
        before = frame.height
        frame = frame.filter(steps < lowest_later)
        notes.append(
            f"Step numbers go back {restarts} {'time' if restarts == 1 else 'times'} (a restart): the later "
            f"lines count, {before - frame.height:,} earlier ones were left out."
        )
    if frame[STEP].n_unique() < frame.height:
        frame = frame.group_by(STEP, maintain_order=True).agg(pl.all().drop_nulls().last())
    return frame, notes


def thin(frame: pl.DataFrame, stage_at: Sequence[int]) -> tuple[pl.DataFrame, list[str]]:
    """Return at most about `MOST_POINTS` rows with a column "stage", and notes; a row never spans two stages.

    Args:
        frame: ascending by `STEP`.
        stage_at: first steps of the second and later stages.
    """
    starts = sorted(set(stage_at))
    number = sum(((pl.col(STEP) >= start).cast(pl.Int32) for start in starts), pl.lit(1))
    stage = number.cast(pl.String) if starts else pl.lit("")
    frame = frame.with_columns(stage.alias("stage"))
    block = -(-frame.height // MOST_POINTS)
    if block <= 1:
        return frame, []
    numbers = pl.all().exclude(STEP, "stage", "block").mean()
    blocks = frame.with_columns((pl.int_range(pl.len()) // block).over("stage").alias("block"))
    thinned = blocks.group_by("stage", "block", maintain_order=True).agg(pl.col(STEP).last(), numbers)
    note = f"{frame.height:,} steps were averaged in blocks of {block}; an onset is known to {block} steps."
    return thinned.drop("block"), [note]


def ended_early(frame: pl.DataFrame) -> list[str]:
    """Return a note for each metric that stops well before the last step; frame ascending by `STEP`."""
    notes: list[str] = []
    for series in frame.drop(STEP).get_columns():
        there = series.is_not_null().arg_true()
        if len(there) > 1 and frame.height - 1 - there[-1] > max(
            _ENDS_EARLY * frame.height, there[-1] - there[-2]
        ):
            last = frame[STEP][there[-1]]
            notes.append(f"{series.name}: no finite value after step {last}; judged as it stood then.")
    return notes
