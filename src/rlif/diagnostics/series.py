"""Reading a run's records as series of numbers, whatever they come from."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from rlif.errors import UserError
from rlif.records import EvalRecord, RunDir, StepRecord
from rlif.records.schema import NAN

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]
Metrics = str | Path | RunDir | Iterable[StepRecord] | Iterable[Mapping[str, Any]]
Evals = Iterable[EvalRecord] | Iterable[Mapping[str, Any]]
R = TypeVar("R", StepRecord, EvalRecord)

TRUTH_FIELDS = (
    "pass_rate",
    "pass_any",
    "reward_truth_auroc",
    "reward_truth_corr",
    "reward_accuracy",
    "false_positive_rate",
    "false_negative_rate",
    "label_accuracy",
)
"""Fields of `StepRecord` that need tests."""

TRUTH_FIELDS_OF_EVALS = (
    "pass_at_1",
    "pass_at_1_ci",
    "pass_at_k",
    "pass_at_k_ci",
    "pass_with_reasoning",
    "pass_without_reasoning",
    "statuses",
    "correct",
)
"""Fields of `EvalRecord` that need tests; their defaults are those of a run without."""


@dataclass(frozen=True, slots=True)
class Series:
    """The defined values of one signal: steps [n] ascending, values [n]; n may be 0."""

    steps: Ints
    values: Floats

    def between(self, first: int, last: int) -> "Series":
        """Return the part from step `first` to step `last`, both included."""
        inside = (self.steps >= first) & (self.steps <= last)
        return Series(self.steps[inside], self.values[inside])


def load(metrics: Metrics, evals: Evals | None) -> tuple[list[StepRecord], list[EvalRecord]]:
    """Return steps and evaluations in ascending order; of a step recorded twice the later line counts.

    Args:
        metrics: a run directory or its path, a metrics.jsonl, or the records themselves.
        evals: the evaluations; None takes those of the run directory, if there is one.
    """
    if isinstance(metrics, str | Path):
        path = Path(metrics)
        metrics = RunDir(path.parent if path.name == "metrics.jsonl" else path)
    if isinstance(metrics, RunDir):
        evals = metrics.evals() if evals is None else evals
        metrics = metrics.steps()
    steps = {record.step: record for record in _records(metrics, StepRecord)}
    by_mode = {(record.step, record.mode): record for record in _records(evals or [], EvalRecord)}
    return [steps[key] for key in sorted(steps)], [by_mode[key] for key in sorted(by_mode)]


def without_truth(
    steps: Sequence[StepRecord], evals: Sequence[EvalRecord]
) -> tuple[list[StepRecord], list[EvalRecord]]:
    """Return steps and evaluations as a run without tests would have recorded them."""
    blank: dict[str, Any] = dict.fromkeys(TRUTH_FIELDS, NAN)
    unjudged = {name: EvalRecord.model_fields[name].get_default() for name in TRUTH_FIELDS_OF_EVALS}
    return (
        [record.model_copy(update=blank) for record in steps],
        [record.model_copy(update=unjudged) for record in evals],
    )


def series(steps: Sequence[StepRecord], name: str) -> Series:
    """Return the finite values of a field of `StepRecord`."""
    values = np.array([getattr(record, name) for record in steps], dtype=float)
    numbers = np.array([record.step for record in steps], dtype=int)
    finite = np.isfinite(values)
    return Series(numbers[finite], values[finite])


def smooth(values: Floats, width: int) -> Floats:
    """Return the centred moving average [n]; even widths count as the odd below; ends shrink it."""
    if len(values) == 0:
        return values
    ones = np.ones((min(width, len(values)) - 1) // 2 * 2 + 1)
    return np.convolve(values, ones, "same") / np.convolve(np.ones(len(values)), ones, "same")


def noise(values: Floats) -> float:
    """Return the standard deviation of one value, from successive differences (slow trends cancel)."""
    if len(values) < 3:
        return float("nan")
    return float(np.sqrt(np.mean(np.diff(values) ** 2) / 2))


def window(n: int) -> int:
    """Return how many values stand for the start and for the end of n: a sixth, 1 to 10."""
    return int(np.clip(n // 6, 1, 10))


def _records(given: Iterable[Any], kind: type[R]) -> list[R]:
    records: list[R] = []
    for number, record in enumerate(given, start=1):
        try:
            records.append(
                record if isinstance(record, kind) else kind.model_validate({"stage": "", **record})
            )
        except ValidationError as error:
            fault = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in fault["loc"])
            message = f"Record {number} is not a {kind.__name__}: '{where}' — {fault['msg']}."
            raise UserError(message, "Give records as rlif writes them to metrics.jsonl.") from error
    return records
