"""results.parquet as objects: the complete runs, by arm."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from rlif.conclusions.claims.scores import At, Evaluation, LacksRuns, Run, Table, change, table
from rlif.errors import UserError, did_you_mean

AXES = {"train_size": "train size", "num_generations": "rollouts a prompt", "temperature": "temperature"}
"""Columns that a study varies one at a time, and their names in words."""

SIGNALS = (
    "length_mean",
    "reasoning_rate",
    "reasoning_share",
    "truncated",
    "no_code",
    "entropy",
    "majority_share",
)
"""What an evaluation, or training at its step, shows without tests."""

_OF_RUN = (
    "arm",
    "role",
    "reward",
    "family",
    "variation",
    "seed",
    "temperature",
    "num_generations",
    "train_size",
    "rlif_steps",
    "dead_step",
    "stop_step",
)
COLUMNS = ("study", "run", *_OF_RUN, "step", "mode", "samples", "problems", "correct", "complete", *SIGNALS)
"""What a results table must have."""


@dataclass(frozen=True, slots=True)
class Arm:
    """All seeds of one thing that is compared."""

    name: str
    runs: tuple[Run, ...]

    @property
    def steps(self) -> list[int]:
        """Steps at which all its runs were evaluated, ascending."""
        return sorted(set[int].intersection(*(set(run.evaluations) for run in self.runs)))

    @property
    def last(self) -> int:
        """The last step at which all its runs were evaluated.

        Raises:
            LacksRuns: there is no such step.
        """
        if not self.steps:
            raise LacksRuns(f"The runs of '{self.name}' were evaluated at no common step.")
        return self.steps[-1]

    def end(self) -> Table:
        """Return the share of right samples at the last step."""
        return self.scores(self.last)

    def scores(self, at: At) -> Table:
        """Return the share of right samples at a step, on the problems that all runs share."""
        return table(self.runs, at)

    def change(self, later: At, earlier: At) -> Table:
        """Return scores at one step less those at another, run by run."""
        return change(self.runs, later, earlier)


class Results:
    """The complete runs of a results table, in one sampling mode.

    Attributes:
        runs: all of them. mode: "sampled" where there is any, else "greedy", unless asked for.
        notes: what was left out.
    """

    def __init__(self, frame: pl.DataFrame, mode: str | None = None) -> None:
        """Read a table with the columns of results.parquet.

        Raises:
            UserError: columns are missing.
        """
        missing = [name for name in COLUMNS if name not in frame.columns]
        if missing:
            raise UserError(
                f"The results lack the columns: {', '.join(missing)}.",
                "Export them with: rlif study export DIR",
            )
        sampled = (frame["mode"] == "sampled").any()
        self.mode = mode or ("sampled" if sampled else "greedy")
        chosen = frame.filter(pl.col("complete") & (pl.col("mode") == self.mode))
        self.runs = tuple(_run(*item) for item in chosen.group_by("study", "run", maintain_order=True))
        incomplete = frame.filter(~pl.col("complete")).select("study", "run").n_unique()
        self.notes = (f"Incomplete runs left out: {incomplete}.",) if incomplete else ()

    def arms(self, role: str | None = None, family: str | None = None) -> list[Arm]:
        """Return the arms of a role and family, as they are at the centre of all axes; ascending by name.

        Raises:
            LacksRuns: there is none.
        """
        runs = [
            run
            for run in self.runs
            if not run.variation and role in (None, run.role) and family in (None, run.family)
        ]
        if not runs:
            kind = " ".join(word for word in (family, role) if word)
            raise LacksRuns(f"There is no complete run of a {kind} reward.")
        return [Arm(name, tuple(r for r in runs if r.arm == name)) for name in sorted({r.arm for r in runs})]

    def has(self, role: str, family: str) -> bool:
        """Return whether `arms` would find any."""
        return any(not r.variation and (r.role, r.family) == (role, family) for r in self.runs)

    def arm(self, name: str) -> Arm:
        """Return one arm, at the centre of all axes.

        Raises:
            LacksRuns: it is not there.
        """
        runs = tuple(run for run in self.runs if run.arm == name and not run.variation)
        if not runs:
            raise LacksRuns(
                f"There is no complete run of '{name}'. {did_you_mean(name, {run.arm for run in self.runs})}"
            )
        return Arm(name, runs)

    def along(self, axis: str) -> list[Run]:
        """Return the runs of the arms that vary along one of `AXES`, everything else as at the arm's centre.

        An arm with a single level of the axis is left out.
        """
        found: list[Run] = []
        for name in sorted({run.arm for run in self.runs}):
            of_arm = [run for run in self.runs if run.arm == name]
            centre = next((run for run in of_arm if not run.variation), None)
            if centre is None:
                continue
            alike = [run for run in of_arm if not run.variation or _varies_only(axis, run, centre)]
            known = [run for run in alike if np.isfinite(getattr(run, axis))]
            if len({getattr(run, axis) for run in known}) > 1:
                found += known
        return found

    def control(self) -> Arm:
        """Return the arm with the random reward: what the same updates do without a signal."""
        return self._only("control", "random")

    def scratch(self) -> Arm:
        """Return the arm on tests from the start."""
        return self._only("verifiable", "unit_tests")

    def _only(self, role: str, reward: str) -> Arm:
        found = [arm for arm in self.arms(role) if {run.reward for run in arm.runs} == {reward}]
        if len(found) != 1:
            names = ", ".join(arm.name for arm in found) or "none"
            raise LacksRuns(
                f"One {role} arm with the reward '{reward}' is needed to compare with; there is: {names}."
            )
        return found[0]


def _varies_only(axis: str, run: Run, centre: Run) -> bool:
    return all((getattr(run, name) != getattr(centre, name)) == (name == axis) for name in AXES)


def _run(key: tuple[Any, ...], rows: pl.DataFrame) -> Run:
    rows = rows.sort("step")
    first = rows.row(0, named=True)
    evaluations = {row["step"]: _read(row) for row in rows.iter_rows(named=True)}
    values: dict[str, Any] = {name: np.nan if first[name] is None else first[name] for name in _OF_RUN}
    values["train_size"] = np.inf if first["train_size"] is None else first["train_size"]  # no limit
    return Run(id="/".join(map(str, key)), evaluations=evaluations, **values)


def _read(row: dict[str, Any]) -> Evaluation:
    right = zip(row["problems"], row["correct"], strict=True)
    return Evaluation(
        scores={problem: correct / row["samples"] for problem, correct in right},
        signals={name: np.nan if row[name] is None else float(row[name]) for name in SIGNALS},
    )
