"""Which column of a log is which metric: chosen by name, said aloud, never by the look of the numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from rlif.diagnostics.logs.names import (
    COMPONENT,
    EVAL_STEP,
    FIELDS,
    HELD_OUT,
    SHARES,
    STEPS,
    candidates,
    plain,
)
from rlif.diagnostics.logs.steps import STEP
from rlif.diagnostics.logs.table import RUN
from rlif.errors import UserError, did_you_mean

HELD_OUT_FIELD = "pass_at_1"
_SHOWN = 40
"""Columns that an error names."""


@dataclass(slots=True)
class Columns:
    """The columns of a log that are used.

    Attributes:
        steps: columns of the step, the one that counts first; may be empty. taken: field -> column.
        held_out: columns of held-out pass rates. components: columns of the parts of the reward.
        ignored: the others. notes: what had to be chosen.
    """

    steps: list[str] = field(default_factory=list[str])
    taken: dict[str, str] = field(default_factory=dict[str, str])
    held_out: list[str] = field(default_factory=list[str])
    components: list[str] = field(default_factory=list[str])
    ignored: list[str] = field(default_factory=list[str])
    notes: list[str] = field(default_factory=list[str])


def one_run(frame: pl.DataFrame, run: str | None) -> pl.DataFrame:
    """Return the rows and columns of one run, of a log that may hold several.

    Raises:
        UserError: it holds several and none is named, or not the one that is.
    """
    if RUN in frame.columns:
        names = [str(name) for name in frame[RUN].drop_nulls().unique(maintain_order=True)]
        chosen = _choose(names, run)
        return frame.filter(pl.col(RUN) == chosen).drop(RUN) if chosen is not None else frame.drop(RUN)
    # A chart of W&B: "RUN - METRIC" in every column but the step's, and its range within each point.
    parts = {name: name.rsplit(" - ", 1) for name in frame.columns if " - " in name}
    chosen = _choose(list(dict.fromkeys(before for before, _ in parts.values())), run)
    kept: dict[str, str] = {}
    for name in frame.columns:
        run_name, metric = parts.get(name, (chosen, name))
        if run_name == chosen and not name.endswith(("__MIN", "__MAX")):
            kept.setdefault(metric, name)  # of two columns of one name the first
    return frame.select(pl.col(name).alias(metric) for metric, name in kept.items())


def choose_columns(frame: pl.DataFrame, mapping: Mapping[str, str]) -> Columns:
    """Return what each column is; mapping (field -> column) goes before the known names.

    Raises:
        UserError: the mapping names a column that there is not, or no column is known.
    """
    _check(mapping, frame.columns)
    plains: dict[str, str] = {}
    for name in frame.columns:
        plains.setdefault(plain(name), name)
    given = {key: column if column in frame.columns else plains[column] for key, column in mapping.items()}
    found = Columns(steps=[given.pop("step")] if "step" in given else _steps(plains))
    mapped_score = given.pop(HELD_OUT_FIELD, None)
    scores = [old for new, old in plains.items() if any(p.fullmatch(new) for p in HELD_OUT)]
    found.held_out = [mapped_score] if mapped_score else scores
    for key in FIELDS:
        there = [plains[name] for name in candidates(key) if name in plains]
        if key in given:
            found.taken[key] = given[key]
        elif there:
            found.taken[key] = there[0]
            others = [name for name in there[1:] if not frame[name].equals(frame[there[0]])]
            if others:
                named = "' and '".join(others)
                found.notes.append(
                    f"{key}: taken from '{there[0]}'; '{named}' could be meant too (--map {key}={others[0]})."
                )
    found.components = [old for new, old in plains.items() if COMPONENT.fullmatch(new)]
    used = {*found.steps, *found.taken.values(), *found.held_out, *found.components}
    found.ignored = [name for name in frame.columns if name not in used]
    if not found.taken and not found.held_out:
        raise UserError(
            f"No known metric among the columns: {_listed(frame.columns)}.",
            "Say which column is which, such as: --map reward=COLUMN --map length_mean=COLUMN "
            f"(fields: {', '.join(FIELDS)}, {HELD_OUT_FIELD}, step).",
        )
    return found


def normalise(frame: pl.DataFrame, columns: Columns) -> pl.DataFrame:
    """Return the step, the components, and the taken columns under the names of their fields.

    Shares given in percent become fractions of one; the notes of `columns` say so.
    """
    fields = [pl.col(column).alias(key) for key, column in columns.taken.items()]
    frame = frame.select(STEP, *fields, *columns.components)
    for key in sorted(SHARES & columns.taken.keys()):
        if is_percent(frame[key]):
            frame = frame.with_columns(pl.col(key) / 100)
            columns.notes.append(f"{key}: '{columns.taken[key]}' goes beyond 1, so it was read as percent.")
    return frame


def is_percent(values: pl.Series) -> bool:
    """Whether a share must be meant in percent: never negative, and somewhere well beyond 1."""
    low, high = values.min(), values.max()
    return isinstance(low, float) and isinstance(high, float) and low >= 0 and 1.5 < high <= 100


def _choose(names: Sequence[str], run: str | None) -> str | None:
    if run is not None:
        if run not in names:
            raise UserError(
                f"The log has no run '{run}'.", did_you_mean(run, names) if names else "It names no runs."
            )
        return run
    if len(names) > 1:
        listed = "".join(f"\n  {name}" for name in names[:_SHOWN])
        raise UserError(f"The log holds {len(names)} runs:{listed}", f"Choose one: --run '{names[0]}'.")
    return names[0] if names else None


def _check(mapping: Mapping[str, str], columns: Sequence[str]) -> None:
    for key, column in mapping.items():
        if column not in columns and column not in {plain(name) for name in columns}:
            raise UserError(
                f"--map {key}={column}: the log has no column '{column}'.",
                did_you_mean(column, columns) if len(columns) < _SHOWN else f"It has: {_listed(columns)}.",
            )


def _steps(plains: Mapping[str, str]) -> list[str]:
    lower = {name.lower(): column for name, column in plains.items()}
    return [lower[name] for name in (*STEPS, EVAL_STEP) if name in lower]


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(f"'{name[:80]}'" for name in names[:_SHOWN]) + more if names else "none with numbers"
