"""An arm is what is compared: the runs that differ in nothing but their seed.

It has the same parts as a run (steps, evaluations, findings), so that all that is said and drawn of a run is
said and drawn of an arm. Those of one run are the run's; of several they are means over seeds, with intervals
for other seeds and problems (`pooled.py`).
"""

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from rlif.diagnostics import Findings, Verdict
from rlif.records import EvalRecord, Role, RunDir, RunState, StepRecord
from rlif.report.pooled import mean_steps, pooled_evals, pooled_findings


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """One run, read and diagnosed. arm and variation: of study.json, "" where it does not say."""

    id: str
    label: str
    role: Role
    arm: str
    variation: str
    directory: RunDir
    config: dict[str, Any]
    status: RunState | None
    steps: list[StepRecord]
    evals: list[EvalRecord]
    findings: Findings

    @property
    def complete(self) -> bool:
        """Whether it ended, or never said how it stands."""
        return self.status is None or self.status.state == "complete"

    @property
    def note(self) -> str:
        """What to know before trusting its numbers; "" for a complete run."""
        if self.status is None or self.complete:
            return ""
        progress = f"step {self.status.step} of {self.status.total_steps}"
        return f"{self.status.state}, {progress}" + (f": {self.status.error}" if self.status.error else "")


@dataclass(frozen=True, eq=False)
class Arm:
    """Runs that differ in their seed alone.

    Attributes:
        name, variation: as in study.json. label: of a legend.
        runs: those that count: the complete ones, or all where none is. left_out: the others.
    """

    name: str
    variation: str
    label: str
    role: Role
    runs: tuple[Run, ...]
    left_out: tuple[Run, ...] = ()

    @property
    def id(self) -> str:
        """Name that no other arm has."""
        return self.runs[0].id

    @cached_property
    def steps(self) -> list[StepRecord]:
        """Training steps, means over the runs, as far as all of them got."""
        return mean_steps([run.steps for run in self.runs])

    @cached_property
    def evals(self) -> list[EvalRecord]:
        """Evaluations, the answers of all runs put together."""
        return pooled_evals([run.evals for run in self.runs])

    @cached_property
    def findings(self) -> Findings:
        """Diagnosis of the means; what is said of held-out problems allows for other seeds."""
        if len(self.runs) == 1:
            return self.runs[0].findings
        return pooled_findings(self.steps, self.evals, [run.evals for run in self.runs])

    @property
    def verdict(self) -> Verdict:
        """What became of held-out performance."""
        return self.findings.verdict

    @property
    def rewards(self) -> set[str]:
        """Types of the rewards its runs were trained on."""
        return {name for run in self.runs for record in run.steps for name in record.rewards}

    @property
    def note(self) -> str:
        """What to know before trusting its numbers; "" where all runs are complete."""
        if len(self.runs) == 1 and not self.left_out:
            return self.runs[0].note
        short = [run for run in self.runs if not run.complete]
        notes = [f"{len(short)} of {len(self.runs)} runs unfinished"] if short else []
        notes += [f"{len(self.left_out)} unfinished left out"] if self.left_out else []
        return "; ".join(notes)


def arms_of(runs: list[Run]) -> list[Arm]:
    """Put runs together by arm and variation, or else by label without its seed; in the order of the runs."""
    groups: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        if run.steps or run.evals:
            groups.setdefault((run.arm or _seedless(run.label), run.variation), []).append(run)
    return [_arm(name, variation, group) for (name, variation), group in groups.items()]


def _arm(name: str, variation: str, group: list[Run]) -> Arm:
    complete = tuple(run for run in group if run.complete)
    chosen = complete or tuple(group)
    left_out = tuple(run for run in group if run not in chosen)
    label = group[0].label if len(group) == 1 and not group[0].arm else _seedless(group[0].label)
    return Arm(name, variation, label, group[0].role, chosen, left_out)


def _seedless(label: str) -> str:
    return re.sub(r",? seed \d+$", "", label)
