"""TensorBoard event files, read by the package `tensorboard` (extra `tensorboard`; no TensorFlow)."""

import importlib
import logging
from pathlib import Path
from typing import Any

import polars as pl

from rlif.diagnostics.logs.table import LogTable, table_of_frame
from rlif.errors import UserError, missing_extra


def read_tensorboard(path: Path) -> LogTable:
    """Return the scalars of an event file, or of the event files of one directory, a row a step.

    Of a run that was restarted the package drops what the later start repeats.

    Raises:
        UserError: the package is missing, or the files are damaged.
    """
    try:
        accumulator: Any = importlib.import_module("tensorboard.backend.event_processing.event_accumulator")
        tensors: Any = importlib.import_module("tensorboard.util.tensor_util")
    except ModuleNotFoundError:
        raise missing_extra("tensorboard", "tensorboard") from None
    logging.getLogger("tensorboard").setLevel(logging.ERROR)  # a record cut off at the end is no news
    everything = {accumulator.SCALARS: 0, accumulator.TENSORS: 0}
    try:
        events = accumulator.EventAccumulator(str(path), size_guidance=everything).Reload()
        tags = events.Tags()
        series = {
            tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in tags["scalars"]
        }
        for tag in tags["tensors"]:  # TensorFlow 2 writes scalars as tensors of one number
            values = [(event.step, tensors.make_ndarray(event.tensor_proto)) for event in events.Tensors(tag)]
            if all(value.size == 1 and value.dtype.kind in "fiu" for _, value in values):
                series[tag] = [(step, float(value.item())) for step, value in values]
    except Exception as error:  # protobuf, the record reader and numpy each have their own
        raise UserError(
            f"{path} is a damaged event file: {error}.", "Give another export of the run, such as CSV."
        ) from error
    return table_of_frame(_by_step(series))


def _by_step(series: dict[str, list[tuple[int, float]]]) -> pl.DataFrame:
    """Return a row for each step and a column for each tag; of a step written twice the later counts."""
    table = pl.DataFrame({"step": []}, schema={"step": pl.Int64})
    for tag, points in series.items():
        column = pl.DataFrame(points, schema={"step": pl.Int64, tag: pl.Float64}, orient="row")
        column = column.unique("step", keep="last", maintain_order=True)
        table = table.join(column, on="step", how="full", coalesce=True)
    return table.sort("step")
