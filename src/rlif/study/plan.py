"""`plan`: what a study will take before anything of it is started."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rlif.errors import UserError
from rlif.study.budget import Assumptions, Budget, cpu_budget, gpu_budget
from rlif.study.checks import refuse_impossible, weaknesses
from rlif.study.expand import PlannedRun, expand
from rlif.study.hardware import gpu_named
from rlif.study.measured import ASSUMED, Speed, measured_speed
from rlif.study.schema import StudyConfig
from rlif.study.work import Work, work_of


@dataclass(frozen=True, slots=True)
class Planned:
    """One run with what it has to do and what that takes."""

    run: PlannedRun
    work: Work
    budget: Budget


@dataclass(frozen=True, slots=True)
class Plan:
    """A study's runs and budgets.

    Attributes:
        runs: all of them.
        parallel: runs at a time.
        assumptions: sentences that the numbers rest on. notes: what a reviewer would ask about.
        cpu_hours, gpu_hours: of all runs together.
        wall_hours: from start to end, runs in parallel.
    """

    runs: list[Planned]
    parallel: int
    assumptions: list[str]
    notes: list[str]
    cpu_hours: float
    gpu_hours: float
    wall_hours: float


def make_plan(study: StudyConfig, parallel: int, records: Iterable[Path] = ()) -> Plan:
    """Reckon with a study.

    Args:
        study: read by `load_study`.
        parallel: runs at a time.
        records: directories of earlier runs, to measure by.

    Raises:
        UserError: a run cannot be: too few problems, no such model, or it does not fit its GPUs.
    """
    runs, resources, assume = expand(study), study.resources, Assumptions()
    refuse_impossible(runs)
    budgets: list[Budget] = []
    told: dict[str, None] = {}
    if resources.num_gpus:
        capacity = gpu_named(resources.gpu).memory
        told = dict.fromkeys(assume.sentences(resources))
        for run in runs:
            budget = gpu_budget(run.config, resources, assume)
            if budget.memory > capacity:
                raise UserError(
                    f"Run '{run.id}' needs about {budget.memory / 1e9:.0f} GB on each GPU, and a "
                    f"{resources.gpu} has {capacity / 1e9:.0f}.",
                    "Raise resources.num_gpus, share states out with resources.accelerate = "
                    '["--use_deepspeed", "--zero_stage", "2"], or lower grpo.per_device_train_batch_size.',
                )
            budgets.append(budget)
    else:
        places = list(records)
        speeds = {model: _speed(model, places) for model in {run.config.model for run in runs}}
        told = dict.fromkeys(speed.source for _, speed in sorted(speeds.items()))
        for run in runs:
            speed = speeds[run.config.model]
            work = work_of(run.config)
            budgets.append(cpu_budget(work, speed.train_s, speed.eval_s, speed.start_s, speed.tokens))
    seconds = [budget.seconds for budget in budgets]
    total = math.fsum(seconds) / 3600
    return Plan(
        runs=[Planned(run, work_of(run.config), budget) for run, budget in zip(runs, budgets, strict=True)],
        parallel=parallel,
        assumptions=list(told),
        notes=weaknesses(runs),
        cpu_hours=total * resources.num_cpus,
        gpu_hours=total * resources.num_gpus,
        wall_hours=max(total / parallel, max(seconds) / 3600),
    )


def _speed(model: str, records: Iterable[Path]) -> Speed:
    if measured := measured_speed(model, records):
        return measured
    unknown = f"unknown: no earlier run of {model} was found; time is not estimated"
    return ASSUMED.get(model, Speed(*[math.nan] * 4, source=unknown))
