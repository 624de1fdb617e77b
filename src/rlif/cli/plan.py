"""`rlif plan RUN.toml`: memory and time of a run, part by part, before it is started."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from rlif.cli.study_display import hours
from rlif.config import RunConfig, load_run_config
from rlif.errors import UserError
from rlif.study.budget import Place
from rlif.study.calibration import calibrate
from rlif.study.hardware import GPUS, gpu_named
from rlif.study.lengths import Lengths, counted_lengths
from rlif.study.run_plan import Change, RunPlan, known_shape, plan_run
from rlif.study.setting import Part, Sharding
from rlif.study.work import work_of


def plan(
    config: Annotated[Path, typer.Argument(metavar="RUN.toml", help="A run file, or a run's config.json.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[a.b=c …]", help="Settings that replace the file's.")
    ] = None,
    gpu: Annotated[
        str | None, typer.Option(metavar="NAME", help=f"Plan for these GPUs: {', '.join(GPUS)}.")
    ] = None,
    num_gpus: Annotated[int, typer.Option(min=1, help="GPUs of the run, one process each.")] = 1,
    cpu: Annotated[bool, typer.Option("--cpu", help="Plan for this machine's cores. The default.")] = False,
    sharding: Annotated[
        Sharding, typer.Option(help="What the GPUs share out; as in configs/accelerate/.")
    ] = Sharding.DDP,
    lora: Annotated[
        int | None,
        typer.Option(
            min=0, help="Train LoRA adapters of this rank; 0: all weights. Default: the run file's."
        ),
    ] = None,
    length: Annotated[
        int | None, typer.Option(min=1, help="Mean tokens of a completion. Default: half of the limit.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what a run will take: memory, seconds a step, hours, and what to change if it does not fit."""
    settings = load_run_config(config, overrides or [])
    rank = lora if lora is not None else settings.lora.r if settings.lora else 0
    place = _place(settings, gpu, num_gpus, cpu, sharding, rank)

    def lengths_of(run: RunConfig, stage: int) -> Lengths:
        return counted_lengths(run, stage, length)

    found = plan_run(settings, place, lengths_of)
    if as_json:
        typer.echo(json.dumps(_json(settings, found), indent=2))
        return
    _show(settings, found, Console())


def _place(
    config: RunConfig, gpu: str | None, num_gpus: int, cpu: bool, sharding: Sharding, lora: int
) -> Place:
    if gpu is not None:
        if cpu:
            raise UserError("--gpu and --cpu exclude each other.", "Leave one out.")
        return Place(gpu_named(gpu), num_gpus, sharding, lora)
    if num_gpus > 1 or sharding is not Sharding.DDP:
        raise UserError("--num-gpus and --sharding are about GPUs.", "Say which, such as --gpu h100.")
    shape = known_shape(config.model)
    return Place(calibrate(shape, config.grpo.completions_per_step, config.torch_threads), lora_rank=lora)


def _show(config: RunConfig, found: RunPlan, console: Console) -> None:
    capacity, total = found.place.device.memory, found.memory.total
    console.print(_memory_table(found))
    for stage, parts in zip(config.stages, found.stages, strict=True):
        console.print(_time_table(f"A step of {stage.label}", parts))
    work = work_of(config)
    more = f", {found.gpu_hours:,.1f} GPU-hours" if found.place.device.is_gpu else ""
    _say(
        console,
        f"In all: {hours(found.budget.seconds / 3600)}{more}: {work.steps} steps, {work.evaluations} "
        f"evaluations of {_seconds(found.evaluation_s)}; {found.budget.tokens / 1e6:.3g}M completion tokens.",
    )
    verdict = "fits" if found.fits else "does NOT fit"
    _say(console, f"Memory: {_bytes(total)} of {_bytes(capacity)}: it {verdict}.")
    for change in found.changes:
        _say(console, _change(change, found.fits))
    for line in found.assumptions:
        _say(console, f"Reckoned with: {line}")


def _change(change: Change, fits: bool) -> str:
    if fits:
        return f"Room for: {change.what} ({_bytes(change.memory)})."
    return f"{'Change' if change.fits else 'Not enough'}: {change.what} would need {_bytes(change.memory)}."


def _memory_table(found: RunPlan) -> Table:
    table = Table(title="Memory of each device at its fullest")
    for name in ("part", "while", "bytes", "formula"):
        table.add_column(name, justify="right" if name == "bytes" else "left")
    memory = found.memory
    for when, parts in (
        ("always", memory.always),
        ("sampling", memory.sampling),
        ("training", memory.training),
    ):
        for part in parts:
            table.add_row(part.name, when, _bytes(part.amount), part.formula)
    table.add_row("total", "", _bytes(memory.total), "always + the larger of sampling and training")
    return table


def _time_table(title: str, parts: Sequence[Part]) -> Table:
    table = Table(title=title)
    for name in ("part", "seconds", "formula"):
        table.add_column(name, justify="right" if name == "seconds" else "left")
    for part in parts:
        table.add_row(part.name, _seconds(part.amount), part.formula)
    table.add_row("total", _seconds(math.fsum(part.amount for part in parts)), "")
    return table


def _json(config: RunConfig, found: RunPlan) -> dict[str, Any]:
    memory = found.memory
    return {
        "model": config.model,
        "device": found.place.device.name,
        "processes": found.place.processes,
        "fits": found.fits,
        "memory": {
            "total": memory.total,
            "device": found.place.device.memory,
            "always": _parts(memory.always),
            "sampling": _parts(memory.sampling),
            "training": _parts(memory.training),
        },
        "step_seconds": found.step_s,
        "stages": [
            {"stage": stage.label, "steps": stage.steps, "parts": _parts(parts)}
            for stage, parts in zip(config.stages, found.stages, strict=True)
        ],
        "evaluation_seconds": found.evaluation_s,
        "seconds": found.budget.seconds,
        "gpu_hours": found.gpu_hours,
        "completion_tokens": found.budget.tokens,
        "changes": [asdict(change) for change in found.changes],
        "assumptions": found.assumptions,
    }


def _parts(parts: Sequence[Part]) -> list[dict[str, Any]]:
    return [part._asdict() for part in parts]


def _bytes(value: float) -> str:
    return f"{value / 1e9:,.1f} GB" if value >= 1e8 else f"{value / 1e6:,.1f} MB"


def _seconds(value: float) -> str:
    return f"{value:,.0f} s" if value >= 10 else f"{value:.2g} s"


def _say(console: Console, line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)
