"""`plan_run`: what one run will take on a device, part by part, and what to change where it does not fit."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rlif.config import RunConfig
from rlif.errors import UserError
from rlif.study.budget import (
    Budget,
    LengthsOf,
    Place,
    assumptions,
    budget_of,
    evaluation_seconds,
    fullest,
    settings_of,
)
from rlif.study.lengths import counted_lengths
from rlif.study.memory import Memory
from rlif.study.setting import Part, Setting, Sharding
from rlif.study.shapes import ModelShape, shape_of
from rlif.study.timing import step_seconds

_LORA_RANK = 16


@dataclass(frozen=True, slots=True)
class Change:
    """A change of one setting, in words, and the bytes on each device after it."""

    what: str
    memory: float
    fits: bool


@dataclass(frozen=True, slots=True)
class RunPlan:
    """What one run will take.

    Attributes:
        place: on what it was reckoned for.
        stages: seconds of a step of each stage, part by part.
        memory: of the stage that holds most.
        evaluation_s: of one evaluation.
        budget: the whole run.
        assumptions: sentences that the numbers rest on.
        changes: what would make it fit; where it fits already, how far the batch could be raised.
    """

    place: Place
    stages: tuple[tuple[Part, ...], ...]
    memory: Memory
    evaluation_s: float
    budget: Budget
    assumptions: tuple[str, ...]
    changes: tuple[Change, ...]

    @property
    def fits(self) -> bool:
        """Whether the memory of a device is enough."""
        return self.memory.total <= self.place.device.memory

    @property
    def step_s(self) -> float:
        """Seconds of a step of the first stage."""
        return math.fsum(part.amount for part in self.stages[0])

    @property
    def gpu_hours(self) -> float:
        """GPUs times hours; 0 on a CPU."""
        return self.place.processes * self.budget.seconds / 3600 * self.place.device.is_gpu


def known_shape(model: str) -> ModelShape:
    """Return the shape of a model.

    Raises:
        UserError: neither the table nor a config.json on this machine says it.
    """
    shape = shape_of(model)
    if shape is None:
        raise UserError(
            f"The shape of the model '{model}' is not known here, so nothing can be reckoned with it.",
            "Give a directory with its config.json, or download that one file: "
            f"hf download {model} config.json",
        )
    return shape


def plan_run(config: RunConfig, place: Place, lengths_of: LengthsOf = counted_lengths) -> RunPlan:
    """Reckon with one run.

    Raises:
        UserError: an unknown model, or completions that the processes cannot share evenly.
    """
    shape = known_shape(config.model)
    _refuse_uneven(config, place.processes)
    settings = settings_of(config, shape, place, lengths_of)
    memory = fullest(settings)
    return RunPlan(
        place=place,
        stages=tuple(step_seconds(setting) for setting in settings),
        memory=memory,
        evaluation_s=evaluation_seconds(settings[0]),
        budget=budget_of(settings),
        assumptions=tuple(assumptions(settings)),
        changes=tuple(_changes(settings, memory.total)),
    )


def _refuse_uneven(config: RunConfig, processes: int) -> None:
    for stage in range(len(config.stages)):
        table = config.stage_grpo(stage)
        batch = table.per_device_train_batch_size or max(1, table.completions_per_step // processes)
        if table.completions_per_step % (batch * processes):
            raise UserError(
                f"{table.completions_per_step} completions a step cannot be shared by {processes} processes "
                f"in batches of {batch}.",
                "Change grpo.prompts_per_step, grpo.num_generations or grpo.per_device_train_batch_size.",
            )


def _changes(settings: Sequence[Setting], total: float) -> Iterable[Change]:
    """Yield the largest batch that fits; and where the present one does not, each other single change."""
    capacity = settings[0].device.memory
    if change := _best_batch(settings, capacity):
        yield change
    if total <= capacity:
        return
    for what, changed in _other_changes(settings):
        memory = fullest(changed).total
        if memory < total:
            yield Change(what, memory, memory <= capacity)


def _best_batch(settings: Sequence[Setting], capacity: float) -> Change | None:
    """Return the largest batch that fits, or else the smallest there is; None if that is the present one."""
    rows, now = int(settings[0].rows), int(settings[0].batch)
    sizes = [size for size in range(1, rows + 1) if rows % size == 0]
    memories = {size: fullest(_with(settings, per_device_train_batch_size=size)).total for size in sizes}
    fitting = [size for size in sizes if memories[size] <= capacity]
    best = max(fitting) if fitting else min(sizes)
    if best == now:
        return None
    return Change(f"grpo.per_device_train_batch_size = {best}", memories[best], bool(fitting))


def _other_changes(settings: Sequence[Setting]) -> Iterable[tuple[str, list[Setting]]]:
    first = settings[0]
    if not first.grpo.gradient_checkpointing:
        yield "grpo.gradient_checkpointing = true", _with(settings, gradient_checkpointing=True)
    if first.config.dtype == "float32":
        half = [replace(one, config=one.config.model_copy(update={"dtype": "bfloat16"})) for one in settings]
        yield 'dtype = "bfloat16"', half
    eight = {**first.grpo.extra, "optim": "adamw_8bit"}
    yield 'grpo.extra.optim = "adamw_8bit"', _with(settings, extra=eight)
    if not first.lora_rank:
        yield f"lora.r = {_LORA_RANK}", [replace(one, lora_rank=_LORA_RANK) for one in settings]
    elif first.config.lora is not None and not first.in_4bit:
        table = first.config.lora.model_copy(update={"load_in_4bit": True})
        below = [replace(one, config=one.config.model_copy(update={"lora": table})) for one in settings]
        yield "lora.load_in_4bit = true", below
    # Adapters cannot be merged into weights in shards.
    in_shards = () if first.lora_rank else (Sharding.ZERO3, Sharding.FSDP2)
    if first.processes > 1:
        for sharding in (Sharding.ZERO2, *in_shards):
            yield (
                _launched(first.processes, sharding),
                [replace(one, sharding=sharding) for one in settings],
            )
    elif first.device.is_gpu and in_shards:
        shared = [replace(one, processes=8, sharding=Sharding.FSDP2) for one in settings]
        yield _launched(8, Sharding.FSDP2), shared
    half_length = first.grpo.max_completion_length // 2
    shorter = [
        replace(one, lengths=replace(one.lengths, longest=one.lengths.longest / 2))
        for one in _with(settings, max_completion_length=half_length)
    ]
    yield f"grpo.max_completion_length = {half_length}", shorter


def _launched(gpus: int, sharding: Sharding) -> str:
    """Return the options of `rlif train` that share a run out so."""
    shared_out = f"--accelerate-config configs/accelerate/{sharding}.yaml"
    return f"rlif train --launch accelerate --processes {gpus} {shared_out}"


def _with(settings: Sequence[Setting], **grpo: Any) -> list[Setting]:
    """Return the settings with other values in [grpo], in all stages."""
    changed: list[Setting] = []
    for one in settings:
        stages = tuple(
            stage.model_copy(update={"grpo": stage.grpo.model_copy(update=grpo)})
            for stage in one.config.stages
        )
        table = one.config.grpo.model_copy(update=grpo)
        changed.append(replace(one, config=one.config.model_copy(update={"grpo": table, "stages": stages})))
    return changed
