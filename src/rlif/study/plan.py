"""`make_plan`: what a study will take before anything of it is started."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from rlif.config import RunConfig
from rlif.errors import UserError
from rlif.study.budget import Budget, Place, assumptions, budget_of, cpu_budget, settings_of
from rlif.study.calibration import calibrate
from rlif.study.checks import refuse_impossible, weaknesses
from rlif.study.expand import PlannedRun, expand
from rlif.study.hardware import Device, gpu_named
from rlif.study.measured import measured_speed
from rlif.study.schema import Resources, StudyConfig
from rlif.study.setting import sharding_of
from rlif.study.shapes import ModelShape, shape_of
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


Calibrate = Callable[[ModelShape, int, int], Device]
"""(shape, rows, threads) -> this machine; see `rlif.study.calibration`."""


def make_plan(
    study: StudyConfig, parallel: int, records: Iterable[Path] = (), measure: Calibrate = calibrate
) -> Plan:
    """Reckon with a study.

    Args:
        study: read by `load_study`.
        parallel: runs at a time.
        records: directories of earlier runs, to measure by.
        measure: asked for this machine's speed where a model without earlier runs trains on it.

    Raises:
        UserError: a run cannot be: too few problems, no such model, or it does not fit its GPUs.
    """
    runs, resources = expand(study), study.resources
    refuse_impossible(runs)
    configs = [run.config for run in runs]
    if resources.num_gpus:
        budgets, told = _on_gpus(configs, resources)
        _refuse_too_large(runs, budgets, resources)
    else:
        budgets, told = _on_cores(configs, list(records), measure)
    seconds = [budget.seconds for budget in budgets]
    total = math.fsum(seconds) / 3600
    return Plan(
        runs=[Planned(run, work_of(run.config), budget) for run, budget in zip(runs, budgets, strict=True)],
        parallel=parallel,
        assumptions=told,
        notes=weaknesses(runs),
        cpu_hours=total * resources.num_cpus,
        gpu_hours=total * resources.num_gpus,
        wall_hours=max(total / parallel, max(seconds) / 3600),
    )


def _on_gpus(configs: list[RunConfig], resources: Resources) -> tuple[list[Budget], list[str]]:
    place = Place(gpu_named(resources.gpu), resources.num_gpus, sharding_of(resources.accelerate))
    told: dict[str, None] = {}
    return [_reckoned(config, place, told) for config in configs], list(told)


def _on_cores(
    configs: list[RunConfig], records: list[Path], measure: Calibrate
) -> tuple[list[Budget], list[str]]:
    """Return budgets by earlier runs of the same model, or else by how fast this machine is on its shape."""
    told: dict[str, None] = {}
    budgets: list[Budget] = []
    models = dict.fromkeys(config.model for config in configs)
    speeds = {model: measured_speed(model, records) for model in models}
    places: dict[str, Place] = {}
    for config in configs:
        if speed := speeds[config.model]:
            told[speed.source] = None
            work = work_of(config)
            budgets.append(cpu_budget(work, speed.train_s, speed.eval_s, speed.start_s, speed.tokens))
            continue
        shape = shape_of(config.model)
        if shape and config.model not in places:
            device = measure(shape, config.grpo.completions_per_step, config.torch_threads)
            places[config.model] = Place(device)
        budgets.append(_reckoned(config, places.get(config.model), told))
    return budgets, list(told)


def _reckoned(config: RunConfig, place: Place | None, told: dict[str, None]) -> Budget:
    """Return a run's budget by its model's shape, NaN without one; add what it rests on to `told`."""
    shape = shape_of(config.model)
    if shape is None or place is None:
        told[f"unknown: the shape of {config.model}, and no earlier run of it; time is not estimated"] = None
        return Budget(math.nan, math.nan)
    settings = settings_of(config, shape, place)
    told.update(dict.fromkeys(assumptions(settings)))
    return budget_of(settings)


def _refuse_too_large(runs: list[PlannedRun], budgets: list[Budget], resources: Resources) -> None:
    capacity = gpu_named(resources.gpu).memory
    for run, budget in zip(runs, budgets, strict=True):
        if budget.memory > capacity:
            raise UserError(
                f"Run '{run.id}' needs about {budget.memory / 1e9:.0f} GB on each GPU, and a "
                f"{resources.gpu} has {capacity / 1e9:.0f}.",
                "Raise resources.num_gpus, share states out with resources.accelerate = "
                '["--use_deepspeed", "--zero_stage", "2"], or lower grpo.per_device_train_batch_size. '
                "`rlif plan` says what each would take.",
            )
