"""Survival curves: the share of runs that have not collapsed yet, by family of reward and along each axis.

A run collapses at its Model Collapse Step, the earlier of the two readings (`rlif.diagnostics.findings.
Collapse`). A run that did not is watched to its last step, and counts until then.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from rlif.report.arms import Arm, Run
from rlif.report.groups import NAMES, group_of
from rlif.report.load import Study
from rlif.statistics.survival import KaplanMeier, kaplan_meier

FEWEST = 3
"""Runs below which a curve says nothing."""


@dataclass(frozen=True, slots=True)
class Lifetime:
    """One curve. key: of `groups.NAMES`. name: of the legend. runs, collapsed: how many."""

    key: str
    name: str
    runs: int
    collapsed: int
    curve: KaplanMeier


def lifetimes(study: Study) -> list[Lifetime]:
    """Return a curve for each family of the central arms with at least `FEWEST` runs."""
    by_group: dict[str, list[Run]] = {}
    for arm in study.centre:
        by_group.setdefault(group_of(arm), []).extend(_watched(arm))
    found = [
        _lifetime(key, NAMES[key], by_group[key]) for key in NAMES if len(by_group.get(key, [])) >= FEWEST
    ]
    return found if any(len(arm.runs) > 1 for arm in study.arms) else []


def _watched(arm: Arm) -> Iterable[Run]:
    return (run for run in arm.runs if run.findings.performance is not None)


def _lifetime(key: str, name: str, runs: list[Run]) -> Lifetime:
    found = [_life(run) for run in runs]
    steps = np.array([step for step, _ in found], dtype=float)
    collapsed = np.array([dead for _, dead in found], dtype=bool)
    return Lifetime(key, name, len(runs), int(collapsed.sum()), kaplan_meier(steps, collapsed))


def _life(run: Run) -> tuple[int, bool]:
    """Return the step of collapse, or the last step, and whether it collapsed."""
    collapse, p = run.findings.collapse, run.findings.performance
    at = [step for step in (collapse.decline_step, collapse.accuracy_step) if step is not None]
    last = max(run.findings.last_step, p.end.step if p else 0)
    return (min(at), True) if at else (last, False)
