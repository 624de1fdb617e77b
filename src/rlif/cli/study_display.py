"""What `rlif study` shows: tables of a plan and of progress."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.table import Table

from rlif.study.plan import Plan, Planned
from rlif.study.progress import RunProgress

FEW = 20
"""Up to so many runs are all shown; of more, those that are under way or failed."""


def plan_table(plan: Plan) -> Table:
    """Return a table of a plan: one row for all seeds of an arm's variation, its numbers those of one run."""
    table = Table(
        caption=f"{len(plan.runs)} runs, {plan.parallel} at a time: about {hours(plan.wall_hours)} in all, "
        f"{hours(plan.cpu_hours)} of CPU" + (f", {hours(plan.gpu_hours)} of GPU" if plan.gpu_hours else "")
    )
    for name in ("arm", "variation"):
        table.add_column(name, overflow="fold")
    for name in ("seeds", "steps", "samples", "tokens", "a run", "GB"):
        table.add_column(name, justify="right", no_wrap=True)
    groups: dict[tuple[str, str], list[Planned]] = {}
    for planned in plan.runs:
        groups.setdefault((planned.run.arm, planned.run.variation), []).append(planned)
    for (arm, variation), members in groups.items():
        first = members[0]
        table.add_row(
            arm,
            variation,
            str(len(members)),
            str(first.work.steps),
            f"{first.work.completions + first.work.evaluated:,}",
            f"{first.budget.tokens / 1e6:.2f}M",
            hours(first.budget.seconds / 3600),
            "" if math.isnan(first.budget.memory) else f"{first.budget.memory / 1e9:.0f}",
        )
    return table


def plan_json(plan: Plan) -> dict[str, Any]:
    """Return a plan for programs; what is not known is null."""
    runs = [
        {
            "id": planned.run.id,
            "arm": planned.run.arm,
            "variation": planned.run.variation,
            "seed": planned.run.config.seed,
            **asdict(planned.work),
            **{name: _number(value) for name, value in asdict(planned.budget).items()},
        }
        for planned in plan.runs
    ]
    totals = {name: _number(getattr(plan, name)) for name in ("wall_hours", "cpu_hours", "gpu_hours")}
    return {
        **totals,
        "parallel": plan.parallel,
        "assumptions": plan.assumptions,
        "notes": plan.notes,
        "runs": runs,
    }


def progress_table(runs: Sequence[RunProgress], caption: str = "") -> Table:
    """Return the live table of a study."""
    counts = {state: sum(run.state == state for run in runs) for state in ("complete", "running", "failed")}
    told = ", ".join(f"{count} {state}" for state, count in counts.items())
    table = Table(caption=f"{len(runs)} runs: {told}" + (f"; {caption}" if caption else ""))
    for name in ("run", "state", "step", "stage", "held-out pass@1"):
        table.add_column(name)
    shown = [run for run in runs if len(runs) <= FEW or run.state not in ("complete", "waiting")]
    for run in shown:
        score = "" if run.pass_at_1 is None else f"{run.pass_at_1:.3f}"
        table.add_row(run.label, run.state, f"{run.step}/{run.total_steps}", run.stage, score)
    return table


def left(runs: Sequence[RunProgress], elapsed: float, first: int) -> str:
    """Return how long it took and will take; `first` steps were done when `elapsed` began."""
    done = sum(run.step for run in runs)
    total = sum(run.step if run.state == "failed" else run.total_steps for run in runs)
    gone = f"{hours(elapsed / 3600)} gone"
    if done - first < 5 or done >= total:
        return gone
    return f"{gone}, about {hours(elapsed / (done - first) * (total - done) / 3600)} left"


def hours(value: float) -> str:
    """Return a time as people say it."""
    if math.isnan(value):
        return "unknown"
    minutes = round(value * 60)
    if minutes < 1:
        return f"{round(value * 3600)} s"
    return f"{minutes} min" if minutes < 100 else f"{value:,.1f} h"


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
