"""Study files: a base run and what each run changes in it."""

from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, field_validator

from rlif.config import RunConfig, Strict, read_table, validated
from rlif.errors import UserError
from rlif.records import Role, RunInfo, StudyInfo


class StudyRun(Strict):
    """One run of a study: who it is, and the tables and settings in which it differs from the base."""

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


class StudyConfig(Strict):
    """A study.

    Attributes:
        name, description: shown in the report.
        base: a run file's content, possibly without what every run brings itself (`stages`).
        runs: at least one.
    """

    name: str
    description: str = ""
    base: dict[str, Any] = Field(default={})
    runs: tuple[StudyRun, ...] = Field(min_length=1)

    def info(self) -> StudyInfo:
        """Return what study.json says."""
        runs = [RunInfo(id=run.id, label=run.label, role=run.role) for run in self.runs]
        return StudyInfo(name=self.name, description=self.description, runs=runs)

    def run_config(self, run: StudyRun) -> RunConfig:
        """Return the whole configuration of one run."""
        table = {**merged(self.base, run.change), "name": run.id}
        return validated(RunConfig, table, f"run '{run.id}' of study '{self.name}'")


def load_study(path: Path) -> StudyConfig:
    """Read a study file and check all of its runs.

    Raises:
        UserError: unreadable, unknown keys, a run that cannot be, or two runs with one id.
    """
    study = validated(StudyConfig, read_table(path), str(path))
    ids = [run.id for run in study.runs]
    for run in study.runs:
        if ids.count(run.id) > 1:
            raise UserError(f"{path} has two runs with the id '{run.id}'.", "Give each run an id of its own.")
        study.run_config(run)
    return study


def merged(base: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """Return `base` with `change` on top: tables are merged, anything else is replaced."""
    result = dict(base)
    for key, value in change.items():
        old = result.get(key)
        result[key] = merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return result
