"""The tables of a study file: a base run, the arms that are compared, seeds, axes along which settings vary.

    name = "claims"
    seeds = 5                       # each run with seeds 0 to 4; or a list of seeds

    [base]                          # a run file's content: what all runs share

    [[runs]]                        # an arm: what is compared
    id = "self-certainty"
    label = "Self-certainty"
    role = "intrinsic"
    change.stages = [{ steps = 30, reward = "self_certainty" }]

    [[axes]]                        # a setting that varies
    values = { "grpo.temperature" = [0.6, 1.0, 1.4] }
    runs = ["self-certainty"]       # only these arms
    seeds = 3

`rlif.study.expand` turns one into runs.
"""

from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, ValidationError, field_validator, model_validator

from rlif.config import Strict
from rlif.errors import did_you_mean
from rlif.records import Role, RunInfo


def _seeds(value: Any) -> Any:
    """Return n seeds, 0 to n - 1, for a number n."""
    if isinstance(value, int) and not isinstance(value, bool):
        if value < 1:
            raise ValueError("at least one seed is needed")
        return tuple(range(value))
    return value


Seeds = Annotated[tuple[int, ...], BeforeValidator(_seeds), Field(min_length=1)]
"""Seeds as a list, or their number n for 0 to n - 1."""


class Combine(StrEnum):
    """What an axis does beside the other axes."""

    ALONE = "alone"  # one at a time: everything else stays as the arm has it
    CROSSED = "crossed"  # every value with every value of the other crossed axes


class StudyRun(Strict):
    """An arm of a study: who it is, and the tables and settings in which it differs from the base."""

    id: str
    label: str
    role: Role
    change: dict[str, Any] = Field(default={})

    @field_validator("id")
    @classmethod
    def _names_a_directory(cls, value: str) -> str:
        try:
            RunInfo(id=value)
        except ValidationError:
            raise ValueError("it names a directory: use letters, digits, '_', '-', '.' and '+'") from None
        return value


class Axis(Strict):
    """Settings that vary between runs of the same arm.

    Attributes:
        values: key -> its values, the key as in an override ("grpo.temperature", "stages.0.steps"). Several
            keys are zipped: the n-th value of one goes with the n-th of the others.
        name: what the variation is called; by default the last part of the first key.
        labels: what the values are called; needed where they are lists or tables.
        combine: with the other axes.
        runs: ids of the arms that it varies; all without.
        seeds: of the varied runs; the study's without.
    """

    values: dict[str, tuple[Any, ...]] = Field(min_length=1)
    name: str = ""
    labels: tuple[str, ...] = ()
    combine: Combine = Combine.ALONE
    runs: tuple[str, ...] = ()
    seeds: Seeds | None = None

    @model_validator(mode="after")
    def _values_fit_together(self) -> Self:
        counts = {key: len(values) for key, values in self.values.items()}
        if len(set(counts.values())) > 1:
            told = ", ".join(f"{key} has {count}" for key, count in counts.items())
            raise ValueError(f"keys of one axis go together and need as many values each: {told}")
        if not self.size:
            raise ValueError("an axis needs at least one value")
        if self.labels and len(self.labels) != self.size:
            raise ValueError(f"{len(self.labels)} labels for {self.size} values")
        if not self.labels and any(isinstance(value, list | dict) for value in self._first):
            raise ValueError("values that are lists or tables need names: add labels")
        return self

    @property
    def _first(self) -> tuple[Any, ...]:
        return next(iter(self.values.values()))

    @property
    def size(self) -> int:
        """Number of values."""
        return len(self._first)

    def variation(self, index: int) -> str:
        """Return what the `index`-th value is called, such as "temperature=0.6"."""
        name = self.name or next(iter(self.values)).rpartition(".")[2]
        return f"{name}={self.labels[index] if self.labels else _text(self._first[index])}"

    def settings(self, index: int) -> dict[str, Any]:
        """Return key -> value for the `index`-th value."""
        return {key: values[index] for key, values in self.values.items()}


class Resources(Strict):
    """What one run takes; Ray places runs by it, and `rlif study plan` reckons with it.

    Attributes:
        num_cpus, num_gpus: of one run. With several GPUs it is started by `accelerate launch`, one process
            each.
        gpu: which, for the estimate; see `rlif.study.hardware`.
        accelerate: further arguments of `accelerate launch`, such as "--use_fsdp".
    """

    num_cpus: int = Field(default=1, ge=1)
    num_gpus: int = Field(default=0, ge=0)
    gpu: str = "h100"
    accelerate: tuple[str, ...] = ()


class StudyConfig(Strict):
    """A study.

    Attributes:
        name, description: shown in the report.
        base: a run file's content, possibly without what every arm brings itself (`stages`).
        runs: the arms, at least one.
        seeds: of every run; without, the seed of its settings.
        axes: what varies within arms.
        retries: how often a run that fails is tried again, from its last checkpoint.
        resources: of each run.
    """

    name: str
    description: str = ""
    base: dict[str, Any] = Field(default={})
    runs: tuple[StudyRun, ...] = Field(min_length=1)
    seeds: Seeds | None = None
    axes: tuple[Axis, ...] = ()
    retries: int = Field(default=1, ge=0)
    resources: Resources = Resources()

    @model_validator(mode="after")
    def _arms_are_told_apart(self) -> Self:
        ids = [run.id for run in self.runs]
        for name in ids:
            if ids.count(name) > 1:
                raise ValueError(f"two runs with the id '{name}'. Give each an id of its own")
        for axis in self.axes:
            for name in axis.runs:
                if name not in ids:
                    raise ValueError(
                        f"an axis varies run '{name}', which there is not. {did_you_mean(name, ids)}"
                    )
        return self


def merged(base: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """Return `base` with `change` on top: tables are merged, anything else is replaced."""
    result = dict(base)
    for key, value in change.items():
        old = result.get(key)
        result[key] = merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return result


def _text(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case float():
            return f"{value:g}"
        case _:
            return str(value)
