"""Every reward of the library on minicode, for a fixed short budget and several seeds, beside its controls.

    python scripts/every_reward.py [--seeds 5] [--steps 30] [--out runs/every-reward]

All runs differ in reward and seed alone. Killed and started again, it continues; seeds are the outer loop, so
that what is there after a while has every reward as often. Prints a table in Markdown: held-out pass@1 at
start, peak and end, means over seeds, with the difference to the random control.
"""

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from rlif.cli.bars import bar
from rlif.diagnostics import diagnose
from rlif.records import Role, RunDir, StudyDir
from rlif.rewards import ALL_REWARDS
from rlif.study.config import StudyConfig, StudyRun
from rlif.study.local import RunProgress, run_study

Floats = NDArray[np.floating[Any]]

CONTROL = "random"
RESAMPLES = 4000
COLUMNS = (
    "reward",
    "seeds",
    "start",
    "peak",
    "end",
    "peak at",
    "sd of ends",
    "end − random",
    "fell",
    "length",
    "reasoning %",
)

BASE: dict[str, Any] = {
    "model": "minicode-base",
    "checkpoint_every": 30,
    "rollouts_every": 30,
    "problems": {"name": "minicode", "split": "train", "limit": 256},
    "grpo": {
        "learning_rate": 1e-4,  # the quickstart's: noise alone does little harm at it
        "prompts_per_step": 6,
        "num_generations": 8,
        "max_completion_length": 80,
    },
    "evaluation": {
        "every": 10,
        "samples": 4,
        "greedy": False,
        "batch_size": 128,
        "problems": {"name": "minicode", "split": "validation", "limit": 64},
    },
}

_BOTH = ["self_certainty", "functional_majority"]


def specs(steps: int) -> dict[str, dict[str, Any]]:
    """Return id -> reward: each type of the library, and `trajectory_logprob` in both its forms."""
    fading = {
        "rewards": ["self_certainty", "unit_tests"],
        "points": [{"step": 0, "weights": [1, 0]}, {"step": steps, "weights": [0, 1]}],
    }
    options: dict[str, dict[str, Any]] = {
        "mixture": {"rewards": [{"type": name, "weight": 0.5} for name in _BOTH]},
        "schedule": fading,
        "alternation": {"rewards": _BOTH, "every": 5},
    }
    every = {name: {"type": name, **options.get(name, {})} for name in ALL_REWARDS}
    mean = {"type": "trajectory_logprob", "length_normalised": True}
    return {**every, "trajectory_logprob-mean": mean}


def study(seeds: int, steps: int) -> StudyConfig:
    """Return the study, its runs in order of seed, then of reward."""
    runs = tuple(
        StudyRun(
            id=f"{name}-s{seed}",
            label=f"{name}, seed {seed}",
            role=_role(name),
            change={"seed": seed, "stages": [{"steps": steps, "reward": reward}]},
        )
        for seed in range(seeds)
        for name, reward in specs(steps).items()
    )
    return StudyConfig(name="every-reward", base=BASE, runs=runs)


def _role(name: str) -> Role:
    if name in ("random", "length", "format", "constant"):
        return Role.CONTROL
    return {"unit_tests": Role.VERIFIABLE, "schedule": Role.MIXTURE}.get(name, Role.INTRINSIC)


@dataclass(frozen=True, slots=True)
class Result:
    """All seeds of one reward.

    Attributes:
        scores: share of right samples, [seeds, evaluations, problems].
        steps: of the evaluations.
        collapsed: step at which each seed began to fall for good, if it did.
        length, reasoning: means over seeds at the first and the last evaluation.
    """

    scores: Floats
    steps: tuple[int, ...]
    collapsed: tuple[int, ...]
    length: tuple[float, float]
    reasoning: tuple[float, float]


def read(place: StudyDir, name: str, seeds: int) -> Result | None:
    """Return what the complete runs of a reward came to; None if there is none."""
    runs = [place.run_dir(f"{name}-s{seed}") for seed in range(seeds)]
    runs = [run for run in runs if (status := run.read_status()) and status.state == "complete"]
    if not runs:
        return None
    evals = [list(run.evals()) for run in runs]
    problems = sorted(set.intersection(*(set(record.correct) for run in evals for record in run)))
    ends = [(run[0], run[-1]) for run in evals]
    return Result(
        scores=np.array([[[r.correct[p] / r.samples for p in problems] for r in run] for run in evals]),
        steps=tuple(record.step for record in evals[0]),
        collapsed=tuple(step for run in runs if (step := _decline(run)) is not None),
        length=(_mean(a.length_mean for a, _ in ends), _mean(b.length_mean for _, b in ends)),
        reasoning=(_mean(a.reasoning_rate for a, _ in ends), _mean(b.reasoning_rate for _, b in ends)),
    )


def _decline(run: RunDir) -> int | None:
    return diagnose(run).collapse.decline_step


def _mean(values: Any) -> float:
    return float(np.mean(list(values)))


def resampled(scores: Floats, seeds: Floats, problems: Floats) -> Floats:
    """Return means [B] of scores [S, P] where seeds (weights [B, S]) and problems ([B, P]) are drawn anew."""
    return np.einsum("bs,sp,bp->b", seeds, scores, problems, optimize=True)


def weights(count: int, rng: np.random.Generator) -> Floats:
    """Return bootstrap weights [B, count], each row summing to 1."""
    return rng.multinomial(count, np.full(count, 1 / count), size=RESAMPLES) / count


def row(name: str, result: Result, control: Result) -> str:
    """Return one line of the table.

    Intervals: 95%, from drawing seeds and problems anew at once; problems are the same for both runs of a
    difference, seeds are not.
    """
    rng = np.random.default_rng(0)
    means = result.scores.mean(axis=(0, 2))
    peak = int(means.argmax())
    problems = weights(result.scores.shape[2], rng)
    ends = result.scores[:, -1], control.scores[:, -1]
    a, b = (resampled(scores, weights(len(scores), rng), problems) for scores in ends)
    low, high = np.quantile(a - b, [0.025, 0.975])
    gap = (
        ""
        if result is control
        else f"{_points(ends[0].mean() - ends[1].mean())} [{_points(low)}, {_points(high)}]"
    )
    spread = np.std(ends[0].mean(axis=1), ddof=1) if len(ends[0]) > 1 else np.nan
    fallen = ", ".join(map(str, sorted(result.collapsed)))
    cells = [
        f"`{name}`",
        f"{len(result.scores)}",
        *(f"{100 * means[i]:.1f}" for i in (0, peak, -1)),
        f"{result.steps[peak]}",
        f"{100 * spread:.1f}",
        gap or "–",
        f"{len(result.collapsed)}" + (f" (from {fallen})" if fallen else ""),
        f"{result.length[0]:.0f} → {result.length[1]:.0f}",
        f"{100 * result.reasoning[0]:.0f} → {100 * result.reasoning[1]:.0f}",
    ]
    return f"| {' | '.join(cells)} |"


def _points(share: float) -> str:
    return f"{100 * share:+.1f}"


def table(place: StudyDir, names: Sequence[str], seeds: int) -> str:
    """Return the table in Markdown, best end first."""
    results = {name: result for name in names if (result := read(place, name, seeds))}
    if CONTROL not in results:
        raise SystemExit(f"There is no complete run of the control '{CONTROL}' in {place.path}.")
    ordered = sorted(results.items(), key=lambda item: -item[1].scores[:, -1].mean())
    lines = [row(name, result, results[CONTROL]) for name, result in ordered]
    return "\n".join([f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|", *lines])


def main() -> None:
    """Run what is missing, then print the table."""
    parser = argparse.ArgumentParser(description="Every reward on minicode, and the table.")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--out", type=Path, default=Path("runs/every-reward"))
    parser.add_argument("--table", action="store_true", help="run nothing, only print the table")
    options = parser.parse_args()
    whole = study(options.seeds, options.steps)
    if not options.table:
        console = Console()
        with bar(console) as progress:
            total = len(whole.runs) * options.steps
            task = progress.add_task("Steps", numbers="", total=total)

            def show(runs: Sequence[RunProgress]) -> None:
                ended = sum(run.state == "complete" or bool(run.error) for run in runs)
                progress.update(
                    task,
                    completed=sum(options.steps if run.error else run.step for run in runs),
                    numbers=f"{ended}/{len(runs)} runs",
                )

            done = run_study(whole, options.out, options.processes, show)
        for run in done:
            if run.error:
                console.print(f"{run.id}: {run.error}", markup=False, highlight=False)
    print(table(StudyDir(options.out), list(specs(options.steps)), options.seeds))


if __name__ == "__main__":
    main()
