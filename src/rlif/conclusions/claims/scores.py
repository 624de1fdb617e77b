"""Runs as objects, and tables of their scores, [runs, problems], to do statistics with."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlif.diagnostics.performance import loss_step
from rlif.statistics import crossed
from rlif.statistics.estimate import LEVEL, Estimate

Floats = NDArray[np.floating[Any]]


class LacksRuns(Exception):
    """The results have not the runs that a claim speaks of; says which."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One evaluation of a run.

    Attributes:
        scores: share of right samples by problem.
        signals: what shows without tests, by the name of its column; NaN where it was not taken.
    """

    scores: dict[str, float]
    signals: dict[str, float]


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """One run; fields are columns of results.parquet (a train size without limit is infinite).

    Attributes:
        evaluations: by step, ascending.
    """

    id: str
    arm: str
    role: str
    reward: str
    family: str
    variation: str
    seed: int
    temperature: float
    num_generations: int
    train_size: float
    rlif_steps: int
    dead_step: float
    stop_step: float
    evaluations: dict[int, Evaluation] = field(repr=False)

    @property
    def last(self) -> int:
        """Step of the last evaluation."""
        return max(self.evaluations)

    def signal(self, name: str) -> Floats:
        """Return a signal at each evaluation, [E]; NaN where it was not taken."""
        return np.array([evaluation.signals[name] for evaluation in self.evaluations.values()])


At = int | Callable[[Run], int]
"""A step: the same for all runs, or a function of the run."""


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Scores, or changes of scores, [S, P]: a row for each run, a column for each problem."""

    values: Floats
    runs: tuple[Run, ...]
    problems: tuple[str, ...]

    def mean(self, level: float = LEVEL) -> Estimate:
        """Return the mean, for new seeds and new problems."""
        return crossed.mean(self.values, level)

    def minus(self, other: "Table", level: float = LEVEL) -> Estimate:
        """Return mean(self) − mean(other) over their common problems; seeds are not paired."""
        return crossed.difference(*aligned([self, other]), level=level)

    @property
    def run_ids(self) -> tuple[str, ...]:
        """The ids of its runs."""
        return tuple(run.id for run in self.runs)

    def on(self, problems: Sequence[str]) -> Floats:
        """Return the columns of some problems, in their order."""
        column = {problem: i for i, problem in enumerate(self.problems)}
        return self.values[:, [column[problem] for problem in problems]]


def table(runs: Iterable[Run], at: At) -> Table:
    """Return scores [S, P] of runs, each at its step, on the problems that all share."""
    runs = tuple(runs)
    return _table(runs, [_evaluation(run, at).scores for run in runs])


def change(runs: Iterable[Run], later: At, earlier: At) -> Table:
    """Return scores [S, P] at one step less those at another, run by run."""
    first, second = table(runs := tuple(runs), later), table(runs, earlier)
    shared = sorted(set(first.problems) & set(second.problems))
    return Table(first.on(shared) - second.on(shared), runs, tuple(shared))


def aligned(tables: Sequence[Table]) -> list[Floats]:
    """Return the scores [S, P] of several tables on the problems that all of them have."""
    shared = sorted(set[str].intersection(*(set(t.problems) for t in tables)))
    return [t.on(shared) for t in tables]


def pooled(tables: Sequence[Table]) -> Table:
    """Return the mean of several tables, over the seeds and problems that all of them have.

    The tables are not a sample of tables: its rows are the seeds, its interval is for new seeds and problems.
    """
    seeds = sorted(set[int].intersection(*({run.seed for run in t.runs} for t in tables)))
    shared = sorted(set[str].intersection(*(set(t.problems) for t in tables)))
    rows: list[Floats] = []
    for t in tables:
        row = {run.seed: i for i, run in enumerate(t.runs)}
        rows.append(t.on(shared)[[row[seed] for seed in seeds]])
    kept = tuple(run for t in tables for run in t.runs if run.seed in seeds)
    return Table(np.mean(rows, axis=0), kept, tuple(shared))


def lifetimes(runs: Sequence[Run], share: float) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the step at which each run had lost a share of its best, or the budget, and whether it had; [N].

    The budget is that of the shortest run: what others lost after it counts as not seen.
    """
    budget = min((run.last for run in runs), default=0)
    lost = [_loss_step(run, share) for run in runs]
    fallen = np.array([step is not None and step <= budget for step in lost], dtype=bool)
    steps = [step if step is not None and step <= budget else budget for step in lost]
    return np.array(steps, dtype=float), fallen


def _loss_step(run: Run, share: float) -> int | None:
    scores = [evaluation.scores for evaluation in run.evaluations.values()]
    return loss_step(list(run.evaluations), _table((run,) * len(scores), scores).values, share)


def _table(runs: tuple[Run, ...], scores: list[dict[str, float]]) -> Table:
    shared = sorted(set[str].intersection(*map(set[str], scores))) if scores else []
    values = np.array([[score[problem] for problem in shared] for score in scores], dtype=float)
    return Table(values.reshape(len(runs), len(shared)), runs, tuple(shared))


def _evaluation(run: Run, at: At) -> Evaluation:
    step = at(run) if callable(at) else at
    if step not in run.evaluations:
        raise LacksRuns(f"Run {run.id} was not evaluated at step {step}.")
    return run.evaluations[step]
