"""`RunDir`: the directory of one run, written while it trains and read by everything after.

It may be killed at any moment and read at any moment; `schema.py` says what its files hold.
"""

import io
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

import polars as pl
from pydantic import ValidationError

from rlif.errors import UserError
from rlif.records.files import append_line, damaged, read_json, read_jsonl, write_atomic
from rlif.records.schema import EvalRecord, Record, RunState, StepRecord, StopRecord

R = TypeVar("R", bound=Record)

ROLLOUT_COLUMNS: dict[str, Any] = {
    "step": pl.Int64,
    "stage": pl.String,
    "problem_id": pl.String,
    "statement": pl.String,
    "group": pl.Int64,
    "index": pl.Int64,
    "text": pl.String,
    "code": pl.String,
    "tokens": pl.Int64,
    "reasoning_tokens": pl.Int64,
    "finished": pl.Boolean,
    "reward": pl.Float64,
    "passed": pl.Boolean,
    "status": pl.String,
}
"""Columns of rollouts/*.parquet, one row a completion; `group` counts the prompts of the step, `index` the
completions of a group; `passed` and `status` are null when nobody judged. Other columns may follow."""


class RunDir:
    """The directory of one run.

    Args:
        path: where it is, or will be after `create`.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.metrics_path = self.path / "metrics.jsonl"
        self.evals_path = self.path / "evals.jsonl"
        self.stops_path = self.path / "stopping.jsonl"
        self.status_path = self.path / "status.json"
        self.config_path = self.path / "config.json"
        self.rollouts_path = self.path / "rollouts"
        self.checkpoints_path = self.path / "checkpoints"

    @property
    def exists(self) -> bool:
        """Whether a run was started here."""
        return self.config_path.is_file() or self.metrics_path.is_file() or self.evals_path.is_file()

    # Writing

    def create(self, config: dict[str, Any]) -> None:
        """Make the directory and write the resolved configuration; nothing happens when it is there already.

        Raises:
            UserError: a run with another configuration lives here.
        """
        written = json.dumps(config, indent=2) + "\n"
        if self.config_path.is_file():
            if _set(self.config()) == _set(json.loads(written)):
                return
            fix = "Choose another directory, or delete this one to start over."
            raise UserError(f"{self.path} already holds a run with another configuration.", fix)
        write_atomic(self.config_path, written.encode())

    def append_step(self, record: StepRecord) -> None:
        """Append one training step to metrics.jsonl."""
        append_line(self.metrics_path, record.model_dump_json())

    def append_eval(self, record: EvalRecord) -> None:
        """Append one evaluation to evals.jsonl."""
        append_line(self.evals_path, record.model_dump_json())

    def append_stop(self, record: StopRecord) -> None:
        """Append what a stopping rule said to stopping.jsonl."""
        append_line(self.stops_path, record.model_dump_json())

    def write_status(self, status: RunState) -> None:
        """Replace status.json."""
        write_atomic(self.status_path, status.model_dump_json(indent=2).encode() + b"\n")

    def write_rollouts(self, step: int, rows: Sequence[dict[str, Any]]) -> Path:
        """Write the completions of one step; see `ROLLOUT_COLUMNS`. Returns the file."""
        known = {name: kind for name, kind in ROLLOUT_COLUMNS.items() if any(name in row for row in rows)}
        buffer = io.BytesIO()
        clean = [{name: _encodable(value) for name, value in row.items()} for row in rows]
        pl.DataFrame(clean, schema_overrides=known, infer_schema_length=None).write_parquet(buffer)
        path = self._rollouts_file(step)
        write_atomic(path, buffer.getvalue())
        return path

    def truncate_after(self, step: int) -> None:
        """Drop what was recorded after `step`, so that a run resumed from its checkpoint repeats nothing."""
        for path in (self.metrics_path, self.evals_path, self.stops_path):
            if path.is_file():
                kept = [line.text for line in read_jsonl(path) if line.value.get("step", 0) <= step]
                write_atomic(path, "".join(f"{text}\n" for text in kept).encode())
        for later in self.rollout_steps():
            if later > step:
                self._rollouts_file(later).unlink()

    # Reading

    def config(self) -> dict[str, Any]:
        """Return the resolved configuration."""
        return read_json(self.config_path)

    def steps(self) -> list[StepRecord]:
        """Return all training steps, in the order they were written; empty before the first one ends."""
        return self._read(self.metrics_path, StepRecord)

    def evals(self) -> list[EvalRecord]:
        """Return all evaluations, in the order they were written; empty before the first."""
        return self._read(self.evals_path, EvalRecord)

    def stops(self) -> list[StopRecord]:
        """Return what stopping rules said, in the order they said it; empty where none spoke."""
        return self._read(self.stops_path, StopRecord)

    def read_status(self) -> RunState | None:
        """Return where the run stands, or None if it never said so."""
        if not self.status_path.is_file():
            return None
        try:
            return RunState.model_validate(read_json(self.status_path))
        except ValidationError as error:
            raise UserError(f"{self.status_path}: {_first_fault(error)}.", "Delete this file.") from error

    def rollout_steps(self) -> list[int]:
        """Return the steps whose completions are recorded, ascending."""
        found = (re.fullmatch(r"step-(\d+)\.parquet", path.name) for path in self.rollouts_path.glob("*"))
        return sorted(int(match[1]) for match in found if match)

    def rollouts(self, step: int) -> pl.DataFrame:
        """Return the completions recorded at a step; see `ROLLOUT_COLUMNS`."""
        path = self._rollouts_file(step)
        try:
            return pl.read_parquet(path)
        except (OSError, pl.exceptions.PolarsError) as error:
            raise UserError(
                f"{path} is missing or not a parquet file ({error}).", "Delete it and go on."
            ) from error

    def _rollouts_file(self, step: int) -> Path:
        return self.rollouts_path / f"step-{step:06d}.parquet"

    def _read(self, path: Path, kind: type[R]) -> list[R]:
        if not path.is_file():
            if not self.exists:
                fix = "Name the directory of a run: it holds config.json and metrics.jsonl."
                raise UserError(f"{self.path} is not a run directory.", fix)
            return []
        records: list[R] = []
        for line in read_jsonl(path):
            try:
                records.append(kind.model_validate(line.value))
            except ValidationError as error:
                raise damaged(
                    path, line.number, f"is not a {kind.__name__}: {_first_fault(error)}"
                ) from error
        return records


def _set(settings: Any) -> Any:
    """Return settings without what is None: a setting new in rlif, None by default, makes no other run."""
    if isinstance(settings, list):
        return [_set(entry) for entry in cast("list[Any]", settings)]
    if not isinstance(settings, dict):
        return settings
    table = cast("dict[str, Any]", settings)
    return {key: _set(value) for key, value in table.items() if value is not None}


def _first_fault(error: ValidationError) -> str:
    fault = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in fault["loc"])
    return f"'{where}' — {fault['msg']}"


def _encodable(value: Any) -> Any:
    """Return text without lone surrogates, which a byte-level tokenizer can produce and UTF-8 cannot hold."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
