"""Made-up results tables whose truth is known: what an arm does is one line."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

STEPS = (0, 10, 20, 30)
PROBLEMS, SAMPLES = 64, 4


@dataclass(frozen=True)
class Arm:
    """pass@1 at each of `STEPS`, and how it is labelled.

    Attributes:
        signals: the length, say, at the end; 60 at the start. stop: where the shipped rule stops.
        spread: standard deviation between seeds.
        settings: other columns of all its runs.
    """

    name: str
    accuracy: tuple[float, ...] = (0.5, 0.5, 0.5, 0.5)
    role: str = "intrinsic"
    family: str = "certainty"
    reward: str = ""
    seeds: int = 5
    spread: float = 0.01
    stop: float = float("nan")
    signals: dict[str, float] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)


def control(*accuracy: float, **more: Any) -> Arm:
    return Arm("random", accuracy or (0.5,) * 4, "control", "control", **more)


def rlvr(*accuracy: float, **more: Any) -> Arm:
    return Arm("rlvr", accuracy, "verifiable", "verifiable", "unit_tests", **more)


def table(*arms: Arm, seed: int = 0) -> pl.DataFrame:
    """Draw a results table: problems differ in difficulty, seeds a little, answers are coin tosses."""
    rng = np.random.default_rng(seed)
    difficulty = rng.normal(0, 0.15, PROBLEMS)
    rows = [row for arm in arms for run in range(arm.seeds) for row in _run(arm, run, difficulty, rng)]
    return pl.DataFrame(rows, infer_schema_length=None)


def _run(arm: Arm, seed: int, difficulty: Any, rng: np.random.Generator) -> list[dict[str, Any]]:
    shift = rng.normal(0, arm.spread)
    rows: list[dict[str, Any]] = []
    for step, accuracy in zip(STEPS, arm.accuracy, strict=True):
        chance = np.clip(accuracy + difficulty + (shift if step else 0), 0, 1)
        signals = {"length_mean": 60.0, "reasoning_rate": 0.5, "entropy": 0.3}
        signals |= {name: value for name, value in arm.signals.items() if step == STEPS[-1]}
        row = {
            "study": "made-up", "run": f"{arm.name}{sorted(arm.settings.items())}-s{seed}",
            "arm": arm.name, "role": arm.role, "family": arm.family, "reward": arm.reward or arm.name,
            "variation": "", "seed": seed, "temperature": 1.0, "num_generations": 8, "train_size": 128,
            "rlif_steps": 0, "total_steps": STEPS[-1], "step": step, "mode": "sampled", "samples": SAMPLES,
            "problems": [f"p{i}" for i in range(PROBLEMS)], "correct": rng.binomial(SAMPLES, chance).tolist(),
            "decline_step": float("nan"), "dead_step": float("nan"), "stop_step": arm.stop, "complete": True,
            "reasoning_share": 0.5, "majority_share": 0.5, "truncated": 0.0, "no_code": 0.0,
        }  # fmt: skip
        rows.append(row | signals | arm.settings)
    return rows
