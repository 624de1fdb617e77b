"""`LogTable`: what every reader returns: the numbers of a log in columns, under the names in the log."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

RUN = "run_name"
"""The one column of text: which run a row belongs to, in exports of several (trackio's name for it)."""

LARGEST = 1e100
"""Numbers beyond it are no measurements, and their squares overflow: they count as undefined."""

_MOST_COLUMNS = 4000
"""Columns that are kept; a damaged file may hold a new name in every line."""

DEEPEST = 3
"""Levels of objects in objects that are read."""

_WRAPPERS = frozenset({"data", "metrics"})
"""Keys whose object holds the metrics themselves (verl's file logger, trackio): no part of a name."""


@dataclass(frozen=True, slots=True)
class LogTable:
    """The rows of a log, in the order they were written.

    Attributes:
        frame: one Float64 column for each name of the log, null where nothing finite was logged; and perhaps
            `RUN`, text.
        notes: sentences on what could not be read.
    """

    frame: pl.DataFrame
    notes: list[str] = field(default_factory=list[str])


def table_of_rows(rows: Iterable[Mapping[str, Any]], notes: Iterable[str] = ()) -> LogTable:
    """Return the table of rows with any keys and values; objects in objects become "outer/inner" names."""
    cells: dict[str, dict[int, float]] = {}
    runs: dict[int, str] = {}
    height = 0
    for index, row in enumerate(rows):
        height = index + 1
        for name, value in _flat(row):
            if name == RUN:
                runs[index] = str(value)
            elif (number := as_number(value)) is not None and (name in cells or len(cells) < _MOST_COLUMNS):
                cells.setdefault(name, {})[index] = number
    indices = range(height)
    columns = [
        pl.Series(name, [values.get(i) for i in indices], pl.Float64) for name, values in cells.items()
    ]
    if runs:
        columns.append(pl.Series(RUN, [runs.get(i) for i in indices], pl.String))
    return LogTable(pl.DataFrame(columns), list(notes))


def table_of_frame(frame: pl.DataFrame, notes: Iterable[str] = ()) -> LogTable:
    """Return the table of a frame with columns of any type; what holds no number is left out."""
    frame = _unnest(frame)
    columns: list[pl.Series] = []
    for series in frame.get_columns()[:_MOST_COLUMNS]:
        if series.name == RUN:
            columns.append(series.cast(pl.String, strict=False))
        elif series.dtype == pl.String:
            columns.append(series.str.strip_chars().cast(pl.Float64, strict=False))
        elif series.dtype.is_numeric():
            columns.append(series.cast(pl.Float64, strict=False))
    wide = pl.DataFrame(columns)
    numbers = pl.selectors.float()
    wide = wide.with_columns(pl.when(numbers.is_finite() & (numbers.abs() < LARGEST)).then(numbers))
    counted = [series.name for series in wide.get_columns() if series.null_count() < wide.height]
    return LogTable(wide.select(counted), list(notes))


def as_number(value: Any) -> float | None:
    """Return a finite number, also one written as text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and abs(number) < LARGEST else None


def _flat(row: Mapping[str, Any], prefix: str = "", depth: int = 0) -> Iterable[tuple[str, Any]]:
    for key, value in row.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict) and depth < DEEPEST:
            yield from _flat(value, prefix if key in _WRAPPERS else f"{name}/", depth + 1)
        else:
            yield name, value


def _unnest(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the frame with the fields of its structs as columns, named as `_flat` names them."""
    for _ in range(DEEPEST):
        structs = [series.name for series in frame.get_columns() if isinstance(series.dtype, pl.Struct)]
        for name in structs:
            prefix = "" if name in _WRAPPERS else f"{name}/"
            inner = frame[name].struct.unnest().rename(lambda key, prefix=prefix: f"{prefix}{key}")
            fresh = [series for series in inner.get_columns() if series.name not in frame.columns]
            frame = frame.drop(name).with_columns(fresh)
    return frame
