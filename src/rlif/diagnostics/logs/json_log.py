"""JSON and JSONL logs: `trainer_state.json`, W&B and trackio exports, verl's file logger.

- trainer_state.json (transformers, TRL): `{"log_history": [{"step": 10, "reward": 0.3, …}, …], …}`.
- verl's file logger (verl/utils/tracking.py): lines of `{"step": 12, "data": {"actor/entropy": 0.4, …}}`.
- W&B `run.history()` and `run.scan_history()`, trackio: lines or an array of `{"_step": 12, …}`.

Python writes NaN and Infinity, which JSON does not know; both count as not logged.
"""

import io
import json
import random
import re
from collections.abc import Iterable
from typing import Any

import polars as pl

from rlif.diagnostics.logs.table import DEEPEST, RUN, LogTable, as_number, table_of_frame, table_of_rows

_LONG = 20_000
"""Lines from which polars reads them: many times faster, but blind to keys that are very rare."""

_SAMPLE = 20_000
_CHUNK = 50_000
_HEAD = 20
"""Lines of which one must look like JSON; the first may be half of one."""

_NOT_JSON = re.compile(rb"(?<=[:\[,\s])-?(?:NaN|Infinity)\b")


def read_json_log(data: bytes) -> LogTable | None:
    """Return the rows of a JSON array, a JSON object that holds one, or JSON lines; None if it is neither."""
    lines = [line for line in data.split(b"\n") if line.strip()]
    if not any(line.lstrip().startswith((b"{", b"[")) for line in lines[:_HEAD]):
        return None
    if len(lines) == 1 or not isinstance(_parse(lines[0]), dict):
        whole = _rows(_parse(data))
        if whole is not None:
            return table_of_rows(whole)
    table = _read_lines(lines)
    return table if table.frame.height else None


def _rows(value: Any) -> list[dict[str, Any]] | None:
    """Return the rows in a JSON document: an array of objects, or the longest one an object holds."""
    if isinstance(value, list):
        return [row for row in value if isinstance(row, dict)] or None
    if isinstance(value, dict):
        arrays = [rows for item in value.values() if isinstance(item, list) and (rows := _rows(item))]
        return max(arrays, key=len) if arrays else [value]
    return None


def _read_lines(lines: list[bytes]) -> LogTable:
    if len(lines) <= _LONG:
        rows, bad = _parse_lines(lines)
        return table_of_rows(rows, _note(bad))
    sample, _ = _parse_lines(random.Random(0).sample(lines, min(_SAMPLE, len(lines))))
    schema = _schema(sample)
    if not schema:
        return LogTable(pl.DataFrame())
    parts: list[pl.DataFrame] = []
    lost = 0
    for start in range(0, len(lines), _CHUNK):
        chunk = lines[start : start + _CHUNK]
        try:
            parts.append(table_of_frame(_read_chunk(chunk, schema)).frame)
        except pl.exceptions.PolarsError:  # a line that is not JSON: one by one
            rows, bad = _parse_lines(chunk)
            parts.append(table_of_rows(rows).frame)
            lost += bad
    return LogTable(pl.concat(parts, how="diagonal_relaxed"), _note(lost))


def _schema(rows: Iterable[dict[str, Any]], depth: int = 0) -> dict[str, Any]:
    """Return the columns that hold numbers, and the run's name; any number may turn out to be a fraction."""
    kinds: dict[str, Any] = {}
    objects: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        for key, value in row.items():
            if isinstance(value, dict):
                objects.setdefault(key, []).append(value)
            elif as_number(value) is not None or key == RUN:
                kinds[key] = pl.String if isinstance(value, str) else pl.Float64
    if depth < DEEPEST:
        inner = {key: _schema(values, depth + 1) for key, values in objects.items()}
        kinds |= {key: pl.Struct(fields) for key, fields in inner.items() if fields}
    return kinds


def _read_chunk(lines: list[bytes], schema: dict[str, Any]) -> pl.DataFrame:
    return pl.read_ndjson(io.BytesIO(_joined(lines)), schema=schema, ignore_errors=True)


def _joined(lines: list[bytes]) -> bytes:
    data = b"\n".join(lines)
    return _NOT_JSON.sub(b"null", data) if b"NaN" in data or b"Infinity" in data else data


def _parse_lines(lines: Iterable[bytes]) -> tuple[list[dict[str, Any]], int]:
    """Return the objects in the lines, and how many lines hold none."""
    values = [_parse(line) for line in lines]
    rows = [value for value in values if isinstance(value, dict)]
    return rows, len(values) - len(rows)


def _note(bad: int) -> list[str]:
    if not bad:
        return []
    return [f"Lines left out because they hold no JSON object: {bad:,}."]


def _parse(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None
