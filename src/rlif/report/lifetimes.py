"""Survival curves: the share of runs that have not collapsed yet, by family of reward and along each axis.

A run collapses at the first evaluation that has lost a part of its best pass@1 so far, beyond chance
(`rlif.diagnostics.performance.loss_step`; the part is that of claim C4). The Model Collapse Step would not do
as the event: it is the step of the best evaluation, known only afterwards. A run that did not collapse was
watched to its last evaluation, and counts until then.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rlif.conclusions.claims.types import Rules
from rlif.diagnostics.performance import loss_step, shared_scores
from rlif.records import Role
from rlif.report.arms import Arm, Run
from rlif.report.axes import axes
from rlif.report.groups import NAMES, group_of
from rlif.report.load import Study
from rlif.statistics.survival import KaplanMeier, kaplan_meier

FEWEST = 3
"""Runs below which a curve says nothing."""

LOSS = Rules().fall
"""Part of the best pass@1 so far that a collapsed run has lost."""


@dataclass(frozen=True, slots=True)
class Lifetime:
    """One curve. key: of its group. name: of the legend. runs, collapsed: how many."""

    key: str
    name: str
    runs: int
    collapsed: int
    curve: KaplanMeier


def lifetimes(study: Study) -> list[Lifetime]:
    """Return a curve for each family of the central arms with at least `FEWEST` runs."""
    if all(len(arm.runs) == 1 for arm in study.arms):
        return []
    by_group: dict[str, list[Arm]] = {}
    for arm in study.centre:
        by_group.setdefault(group_of(arm), []).append(arm)
    return _curves({key: by_group[key] for key in NAMES if key in by_group}, NAMES)


def along_axes(study: Study) -> dict[str, list[Lifetime]]:
    """Return by axis a curve for each level, of the rewards without tests that were varied along it."""
    found: dict[str, list[Lifetime]] = {}
    for axis in axes(study):
        rows = [row for row in axis.rows if row[axis.centre].role is Role.INTRINSIC]
        by_level = {level: [row[level] for row in rows if level in row] for level in axis.levels}
        found[axis.name] = _curves(by_level, {level: axis.title(level) for level in axis.levels})
    return {name: curves for name, curves in found.items() if len(curves) > 1}


def _curves(groups: Mapping[str, Iterable[Arm]], names: Mapping[str, str]) -> list[Lifetime]:
    judged = {
        key: [run for arm in arms for run in arm.runs if run.findings.performance is not None]
        for key, arms in groups.items()
    }
    return [_lifetime(key, names[key], runs) for key, runs in judged.items() if len(runs) >= FEWEST]


def _lifetime(key: str, name: str, runs: Sequence[Run]) -> Lifetime:
    found = [_life(run) for run in runs]
    steps = np.array([step for step, _ in found], dtype=float)
    collapsed = np.array([dead for _, dead in found], dtype=bool)
    return Lifetime(key, name, len(runs), int(collapsed.sum()), kaplan_meier(steps, collapsed))


def _life(run: Run) -> tuple[int, bool]:
    """Return the step of collapse, or of the last evaluation, and whether it collapsed."""
    p = run.findings.performance
    judged = [r for r in run.evals if p is not None and r.mode == p.mode and np.isfinite(r.pass_at_1)]
    judged.sort(key=lambda record: record.step)
    scores = shared_scores(judged)
    at = loss_step([record.step for record in judged], scores, LOSS) if scores.size else None
    return (judged[-1].step, False) if at is None else (at, True)
