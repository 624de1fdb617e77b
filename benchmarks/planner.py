"""What `rlif plan` says against what `rlif train` takes: memory and seconds a step, on this machine's cores.

    python benchmarks/planner.py                          minicode-base and SmolLM2
    python benchmarks/planner.py --only minicode --steps 4

Each run is a process of its own; its memory is the largest resident set of that process, its seconds the
median of its steps without the first, which warms up. The plan is made just before, and told nothing but the
mean length of the completions, which is a fact of the model and not of the machine: "plan (blind)" is without
that. A machine that does other work as well makes both wrong, and not by the same factor.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from argparse import ArgumentParser
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table

from rlif.config import RunConfig, load_run_config
from rlif.records import RunDir
from rlif.study.budget import Place
from rlif.study.calibration import calibrate
from rlif.study.lengths import counted_lengths
from rlif.study.run_plan import RunPlan, known_shape, plan_run

ROOT = Path(__file__).parents[1]
AIM = 0.25
COMMON = ["evaluation.every=1000", "evaluation.greedy=false", "evaluation.samples=1", "checkpoint_every=1000"]
CASES = {
    "minicode": ("minicode_rlif_rlvr.toml", ["evaluation.problems.limit=4"]),
    "smollm2": (
        "smollm2_humaneval.toml",
        ["evaluation.problems.limit=1", "grpo.max_completion_length=64", "prompt=bare"],
    ),
}


@dataclass(frozen=True, slots=True)
class Measured:
    """One run: bytes, seconds a step, seconds of its sampling, mean tokens of a completion."""

    memory: float
    step_s: float
    sampling_s: float
    tokens: float


def train(config: RunConfig, folder: Path) -> Measured:
    """Run `rlif train` and return what it took."""
    path = folder / "run.json"
    path.write_text(config.model_dump_json())
    command = [sys.executable, "-m", "rlif", "train", str(path), "--out", str(folder / "run")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"The run failed; see above. Its command: {' '.join(command)}")
    steps = RunDir(folder / "run").steps()[1:]
    return Measured(
        memory=usage.ru_maxrss * 1024,
        step_s=statistics.median(step.seconds["total"] for step in steps),
        sampling_s=statistics.median(step.seconds["generation"] for step in steps),
        tokens=statistics.fmean(step.length_mean for step in steps),
    )


def row(name: str, planned: float, measured: float, unit: str) -> tuple[str, str, str, str]:
    """Return a row of the table: what was planned, what was measured, and by how much the plan is off."""
    off = planned / measured - 1
    return (
        name,
        f"{planned:.3g} {unit}",
        f"{measured:.3g} {unit}",
        f"{off:+.0%}" + ("" if abs(off) <= AIM else " (!)"),
    )


def sampling_s(plan: RunPlan) -> float:
    """Return the seconds of sampling in a step of the first stage."""
    return next(part.amount for part in plan.stages[0] if part.name == "sampling")


def main() -> None:
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=list(CASES))
    parser.add_argument("--steps", type=int, default=6)
    options = parser.parse_args()
    console, results = Console(width=110), {}
    for name in [options.only] if options.only else CASES:
        file, overrides = CASES[name]
        settings = [*COMMON, *overrides, f"stages.0.steps={options.steps}"]
        config = load_run_config(ROOT / "configs" / file, settings)
        config = config.model_copy(update={"stages": config.stages[:1]})
        place = Place(calibrate(known_shape(config.model), config.grpo.completions_per_step))
        with tempfile.TemporaryDirectory() as folder:
            found = train(config, Path(folder))
        blind = plan_run(config, place)
        plan = plan_run(config, place, partial(counted_lengths, completion=found.tokens))
        table = Table("", "planned", "measured", "off", title=f"{config.model}: aim ±{AIM:.0%}")
        table.add_row(*row("peak memory", plan.memory.total / 1e9, found.memory / 1e9, "GB"))
        table.add_row(*row("a step", plan.step_s, found.step_s, "s"))
        table.add_row(*row("  of that, sampling", sampling_s(plan), found.sampling_s, "s"))
        table.add_row(*row("a step, plan (blind)", blind.step_s, found.step_s, "s"))
        console.print(table, f"completions of {found.tokens:.0f} tokens on average; {place.device}")
        results[name] = {"planned_step_s": plan.step_s, "measured_step_s": found.step_s}
    print(json.dumps(results))


if __name__ == "__main__":
    main()
