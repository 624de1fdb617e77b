"""`read_log`: anyone's training log in, records and an account of what was found out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from rlif.diagnostics.logs.columns import HELD_OUT_FIELD, Columns, choose_columns, normalise, one_run
from rlif.diagnostics.logs.console import read_console
from rlif.diagnostics.logs.content import read_content
from rlif.diagnostics.logs.coverage import missing
from rlif.diagnostics.logs.find import FoundLog, LogFormat, find_log
from rlif.diagnostics.logs.json_log import read_json_log
from rlif.diagnostics.logs.names import FIELDS
from rlif.diagnostics.logs.records import eval_records, step_records
from rlif.diagnostics.logs.steps import STEP, ended_early, one_row_a_step, thin, with_steps
from rlif.diagnostics.logs.table import LogTable
from rlif.diagnostics.logs.tabular import read_csv, read_parquet, read_trackio
from rlif.diagnostics.logs.tensorboard import read_tensorboard
from rlif.diagnostics.series import load
from rlif.errors import UserError, did_you_mean
from rlif.records import EvalRecord, StepRecord

_TEXT = {LogFormat.CONSOLE: read_console, LogFormat.JSON: read_json_log, LogFormat.CSV: read_csv}
"""Readers of text, in the order they are tried: the strictest first."""

_OWN = "--map, --stage-at and --run were not used: rlif's own records say what is what."


@dataclass(frozen=True, slots=True)
class LogOptions:
    """What a user may say of a log.

    Attributes:
        format: None: found out. mapping: field of `StepRecord`, "pass_at_1" or "step" -> column.
        stage_at: first steps of the second and later stages, each with a reward of its own.
        run: its name, in an export of several.

    Raises:
        UserError: the mapping names a field that there is not.
    """

    format: LogFormat | None = None
    mapping: Mapping[str, str] = field(default_factory=dict[str, str])
    stage_at: tuple[int, ...] = ()
    run: str | None = None

    def __post_init__(self) -> None:
        known = [*FIELDS, HELD_OUT_FIELD, STEP]
        for key, column in self.mapping.items():
            if key not in known:
                raise UserError(f"--map {key}={column}: there is no field '{key}'.", did_you_mean(key, known))


@dataclass(frozen=True, slots=True)
class Log:
    """A training log, read.

    Attributes:
        path, format: what was read.
        steps: ascending; of a long log the means of neighbouring steps. evals: held-out scores, where logged.
        rows: number of steps in the log. first_step, last_step: 0 without any.
        taken: field -> the column it was taken from; empty for rlif's own runs.
        missing: sentences on what cannot be judged. notes: sentences on choices, restarts, damage.
        ignored: columns that were not used.
    """

    path: Path
    format: LogFormat
    steps: list[StepRecord]
    evals: list[EvalRecord]
    rows: int
    first_step: int
    last_step: int
    taken: dict[str, str]
    missing: list[str]
    notes: list[str]
    ignored: list[str]


def read_log(path: str | Path, options: LogOptions | None = None) -> Log:
    """Read a training log of rlif, TRL, verl, OpenRLHF, TensorBoard, W&B, trackio, or any table of metrics.

    Raises:
        UserError: there is no log, it cannot be read, it holds no known metric, or an option does not fit.
    """
    options = options or LogOptions()
    log = find_log(Path(path), options.format)
    if log.format is LogFormat.RLIF:
        steps, evals = load(log.path, None)
        unused = [_OWN] if options.mapping or options.stage_at or options.run else []
        rows = [record.step for record in steps]
        return _account(log, LogFormat.RLIF, steps, evals, rows, Columns(notes=unused))
    table, kind = _read_table(log)
    frame = one_run(table.frame, options.run)
    columns = choose_columns(frame, options.mapping)
    frame, step_notes = with_steps(frame, columns.steps)
    # Rows that hold evaluations alone are no steps: they may come late without being a restart.
    training, restart_notes = one_row_a_step(_logged(normalise(frame, columns)))
    scores, _ = one_row_a_step(_logged(frame.select(STEP, *columns.held_out)))
    if restart_notes:  # scores of a policy that was thrown away, and not yet scored anew
        scores = scores.filter(pl.col(STEP) <= training[STEP][-1])
    evals, eval_notes = eval_records(scores, columns.held_out)
    thinned, thin_notes = thin(training, options.stage_at)
    steps = step_records(thinned, columns.components)
    columns.notes[:0] = table.notes + step_notes + restart_notes
    columns.notes += ended_early(training) + eval_notes + thin_notes
    return _account(log, kind, steps, evals, training[STEP], columns)


def _read_table(log: FoundLog) -> tuple[LogTable, LogFormat]:
    match log.format:
        case LogFormat.TENSORBOARD:
            return read_tensorboard(log.path), log.format
        case LogFormat.TRACKIO:
            return read_trackio(log.path), log.format
        case LogFormat.PARQUET:
            return read_parquet(log.path, read_content(log.path)), log.format
        case _:
            return _read_text(log)


def _read_text(log: FoundLog) -> tuple[LogTable, LogFormat]:
    data = read_content(log.path)
    if not data.strip():
        raise UserError(f"{log.path} is empty.", "Wait for its first lines, or name another log.")
    if log.format is LogFormat.TRAINER_STATE:
        table = read_json_log(data)
        if table is not None:
            return table, log.format
        raise UserError(f"{log.path} is not JSON, or cut off.", "Take that of another checkpoint.")
    for kind, read in _TEXT.items():
        if log.format in (kind, None) and (table := read(data)) is not None:
            return table, kind
    expected = "no log that rlif knows" if log.format is None else f"no log of the format {log.format}"
    raise UserError(
        f"{log.path} is {expected}.",
        "It reads JSON, JSONL, CSV and parquet exports, trainer_state.json, event files of TensorBoard, "
        "trackio's database, and console logs of verl ('step:1 - …') and OpenRLHF ('Global step 1: {…}').",
    )


def _logged(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the rows that hold anything but the step."""
    values = pl.all().exclude(STEP)
    return frame.filter(pl.any_horizontal(values.is_not_null())) if frame.width > 1 else frame.clear()


def _account(
    log: FoundLog,
    kind: LogFormat,
    steps: list[StepRecord],
    evals: list[EvalRecord],
    rows: Sequence[int] | pl.Series,
    columns: Columns,
) -> Log:
    also = [f"Beside it there is {other}, which was not read." for other in log.others[:1]]
    return Log(
        path=log.path,
        format=kind,
        steps=steps,
        evals=evals,
        rows=len(rows),
        first_step=rows[0] if len(rows) else 0,
        last_step=rows[-1] if len(rows) else 0,
        taken=columns.taken,
        missing=missing(steps, evals),
        notes=also + columns.notes,
        ignored=columns.ignored,
    )
