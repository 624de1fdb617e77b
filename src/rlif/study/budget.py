"""`Budget`: what a whole run takes. Formulas are in `rlif.study.memory` and `rlif.study.timing`.

One planner for a run (`rlif plan`) and for the runs of a study (`rlif study plan`). Where earlier runs of the
same model on this machine are found, a study takes their seconds instead: see `rlif.study.measured`.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rlif.config import RunConfig
from rlif.study.hardware import BANDWIDTH_SHARE, MFU, Device
from rlif.study.lengths import Lengths, counted_lengths
from rlif.study.memory import Memory, memory_of
from rlif.study.setting import Setting, Sharding
from rlif.study.shapes import ModelShape
from rlif.study.timing import (
    OTHER_PROGRAM_S,
    PROGRAM_S,
    START_S,
    VLLM_STEP_S,
    decoding_s,
    programs_s,
    step_seconds,
)
from rlif.study.work import Work, work_of


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run is computed: so many equal devices, and what they share out among them."""

    device: Device
    processes: int = 1
    sharding: Sharding = Sharding.DDP
    lora_rank: int = 0


@dataclass(frozen=True, slots=True)
class Budget:
    """What one run takes; NaN where the model's shape is not known.

    Attributes:
        seconds: wall clock, of which generation, training, evaluation and grading.
        tokens: of completions, trained and evaluated.
        memory: bytes on each GPU (without GPUs, of the process).
        generation_rate: completion tokens a second on each GPU while sampling.
    """

    seconds: float
    tokens: float
    memory: float = math.nan
    generation: float = math.nan
    training: float = math.nan
    evaluation: float = math.nan
    grading: float = math.nan
    generation_rate: float = math.nan


LengthsOf = Callable[[RunConfig, int], Lengths]
"""(run, stage) -> its lengths."""


def settings_of(
    config: RunConfig, shape: ModelShape, place: Place, lengths_of: LengthsOf = counted_lengths
) -> list[Setting]:
    """Return a setting for each stage of a run."""
    return [
        Setting(
            config,
            stage,
            shape,
            lengths_of(config, stage),
            place.device,
            place.processes,
            place.sharding,
            place.lora_rank,
        )
        for stage in range(len(config.stages))
    ]


def budget_of(settings: Sequence[Setting]) -> Budget:
    """Return what a run takes whose stages these are."""
    config, first = settings[0].config, settings[0]
    work = work_of(config)
    parts = [
        {part.name: part.amount * stage.steps for part in step_seconds(setting)}
        for stage, setting in zip(config.stages, settings, strict=True)
    ]
    evaluation = evaluation_seconds(first) * work.evaluations
    generation = sum(stage["sampling"] for stage in parts)
    grading = sum(stage["programs"] for stage in parts)
    steps = math.fsum(second for stage in parts for second in stage.values())
    drawn = decoding_s(first, first.rows, bool(first.vllm))
    return Budget(
        seconds=START_S[first.device.is_gpu] + steps + evaluation,
        tokens=(work.completions + work.evaluated) * first.lengths.completion,
        memory=fullest(settings).total,
        generation=generation,
        training=steps - generation - grading,
        evaluation=evaluation,
        grading=grading,
        generation_rate=first.rows * first.lengths.completion / drawn,
    )


def fullest(settings: Sequence[Setting]) -> Memory:
    """Return the memory of the stage that holds most."""
    return max((memory_of(setting) for setting in settings), key=lambda memory: memory.total)


def evaluation_seconds(setting: Setting) -> float:
    """Return the seconds of one evaluation by transformers, as if one device made all completions."""
    table, work = setting.config.evaluation, work_of(setting.config)
    if not work.evaluations:
        return 0.0
    each = work.evaluated / work.evaluations
    batch = min(table.batch_size, each)
    programs = programs_s(setting, table.problems.name, each)
    return each / batch * decoding_s(setting, batch, vllm=False) + programs


def assumptions(settings: Sequence[Setting]) -> list[str]:
    """Return what the numbers rest on, for people."""
    first = settings[0]
    device = first.device
    about = (
        f"{first.processes} x {device.name}: training reaches {device.flops / 1e12:.3g} TFLOP/s, decoding "
        f"reads {device.bandwidth / 1e9:.3g} GB/s, {device.memory / 1e9:.0f} GB of memory"
    )
    shares = f"that is {MFU:.0%} of peak FLOP/s (MFU) and {BANDWIDTH_SHARE:.0%} of peak bandwidth (assumed)"
    floor = 1000 * device.decoding_floor(first.shape.layers, first.rows)
    engine = f"{1000 * VLLM_STEP_S:g} ms with vLLM" if first.vllm else f"{floor:.3g} ms with transformers"
    known = ", ".join(f"{1000 * seconds:g} ms for {name}" for name, seconds in PROGRAM_S.items())
    return [
        about,
        *([shares] if device.is_gpu else []),
        *dict.fromkeys(setting.lengths.source for setting in settings),
        f"a decoding step takes at least {engine}",
        f"a program takes a sandbox worker {known}, {1000 * OTHER_PROGRAM_S:g} ms for others (assumed)",
        "evaluation by transformers, as if one device made all completions; "
        f"{START_S[device.is_gpu]:g} s to start a run",
    ]


def cpu_budget(work: Work, train_s: float, eval_s: float, start_s: float, tokens: float) -> Budget:
    """Return what one run takes at a speed that was measured; see `rlif.study.measured.Speed`."""
    training, evaluation = work.completions * train_s, work.evaluated * eval_s
    return Budget(
        seconds=start_s + training + evaluation,
        tokens=tokens * (work.completions + work.evaluated),
        training=training,
        evaluation=evaluation,
    )
