"""Tables: CSV and parquet exports (W&B, trackio, any), and trackio's SQLite database.

- W&B, a chart exported as CSV: "Step", then "RUN - METRIC", "RUN - METRIC__MIN", "RUN - METRIC__MAX".
- trackio (trackio/sqlite_storage.py): table `metrics` with `run_name`, `step` and `metrics`, a JSON
  object; its parquet files hold the same rows with a column for each metric.
"""

import io
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import polars as pl

from rlif.diagnostics.logs.table import RUN, LogTable, table_of_frame, table_of_rows
from rlif.errors import UserError

_SEPARATORS = (",", ";", "\t")
_MOST_SEPARATORS = 10_000
"""Of the first line; a line with more names no columns."""


def read_csv(data: bytes) -> LogTable | None:
    """Return a CSV table whose first line names the columns; None when that line has no two of them."""
    header = data.partition(b"\n")[0].decode("utf-8", "replace")
    separator = max(_SEPARATORS, key=header.count)
    if not 0 < header.count(separator) < _MOST_SEPARATORS or "\0" in header:
        return None
    for content in (data, data.replace(b'"', b"")):  # a quote that never ends: do without any
        try:
            frame = pl.read_csv(
                io.BytesIO(content),
                separator=separator,
                infer_schema=False,
                truncate_ragged_lines=True,
                encoding="utf8-lossy",
            )
        except (pl.exceptions.PolarsError, ValueError):
            continue
        return table_of_frame(frame)
    return None


def read_parquet(path: Path, data: bytes) -> LogTable:
    """Return a parquet table.

    Raises:
        UserError: it is damaged.
    """
    try:
        return table_of_frame(pl.read_parquet(io.BytesIO(data)))
    except (pl.exceptions.PolarsError, OSError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise UserError(f"{path} is a damaged parquet file: {reason}.", "Export it again.") from error


def read_trackio(path: Path) -> LogTable:
    """Return the rows of a trackio project database; it may be in use.

    Raises:
        UserError: it is damaged, or another program's database.
    """
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
            return table_of_rows(_trackio_rows(database))
    except (sqlite3.Error, ValueError) as error:
        raise UserError(
            f"{path} is not a trackio database: {error}.", "Export the run as CSV or JSON."
        ) from error


def _trackio_rows(database: sqlite3.Connection) -> Iterator[dict[str, Any]]:
    for run, step, metrics in database.execute("SELECT run_name, step, metrics FROM metrics ORDER BY id"):
        row = json.loads(metrics)
        if isinstance(row, dict):
            yield row | {RUN: run, "step": step}
