"""A made-up study with known effects, to test diagnosis and report without training anything.

Every run is given by a few curves over steps; evaluations and training batches are drawn from them, so they
carry the noise of real ones.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from rlif.config import RunConfig
from rlif.records import (
    EvalRecord,
    RewardSummary,
    Role,
    RunDir,
    RunInfo,
    RunState,
    StepRecord,
    StudyDir,
    StudyInfo,
)

Curve = Callable[[float], float]
RewardCurve = Callable[[float], float | None]
PROBLEMS, SAMPLES = 96, 8


def piecewise(*points: tuple[float, float]) -> Curve:
    """A curve through (share of the run, value) points."""
    at, values = zip(*points, strict=True)
    return lambda share: float(np.interp(share, at, values))


@dataclass
class Script:
    """What happens in one run."""

    label: str
    role: Role
    accuracy: Curve
    length: Curve = field(default=lambda share: 60.0)
    reasoning: Curve = field(default=lambda share: 0.55)
    entropy: Curve = field(default=lambda share: 0.30)
    reward: RewardCurve = field(default=lambda share: None)  # None: the training pass rate, as with tests
    reward_type: str = "unit_tests"
    stages: tuple[tuple[str, float], ...] = (("train", 1.0),)  # name, share of the run at which it ends

    def stage(self, share: float) -> str:
        return next(name for name, end in self.stages if share <= end)


SCRIPTS: dict[str, Script] = {
    "rlvr": Script(
        "Tests (RLVR)",
        Role.VERIFIABLE,
        piecewise((0, 0.40), (1, 0.58)),
        entropy=piecewise((0, 0.30), (1, 0.22)),
    ),
    "self_certainty": Script(
        "Self-certainty",
        Role.INTRINSIC,
        piecewise((0, 0.40), (0.25, 0.50), (0.6, 0.30), (1, 0.08)),
        length=piecewise((0, 60), (0.25, 55), (1, 16)),
        reasoning=piecewise((0, 0.55), (0.25, 0.5), (1, 0.04)),
        entropy=piecewise((0, 0.30), (1, 0.02)),
        reward=piecewise((0, 2.1), (1, 3.4)),
        reward_type="self_certainty",
    ),
    "token_entropy": Script(
        "Token entropy",
        Role.INTRINSIC,
        piecewise((0, 0.40), (0.3, 0.49), (1, 0.43)),
        length=piecewise((0, 60), (1, 48)),
        entropy=piecewise((0, 0.30), (1, 0.09)),
        reward=piecewise((0, -0.30), (1, -0.09)),
        reward_type="token_entropy",
    ),
    "functional_majority": Script(
        "Functional majority",
        Role.INTRINSIC,
        piecewise((0, 0.40), (1, 0.52)),
        reward=piecewise((0, 0.45), (1, 0.74)),
        reward_type="functional_majority",
    ),
    "random": Script(
        "Random (control)",
        Role.CONTROL,
        piecewise((0, 0.40)),
        reward=piecewise((0, 0.5)),
        reward_type="random",
    ),
    "rlif_rlvr": Script(
        "Self-certainty, then tests",
        Role.TRANSFER,
        piecewise((0, 0.40), (0.25, 0.49), (1, 0.575)),
        reward=lambda share: 2.1 + share if share <= 0.25 else None,
        reward_type="self_certainty",
        stages=(("rlif", 0.25), ("rlvr", 1.0)),
    ),
}


def step_records(script: Script, steps: int, rng: np.random.Generator) -> list[StepRecord]:
    records: list[StepRecord] = []
    for step in range(1, steps + 1):
        share = step / steps
        passing = rng.binomial(128, script.accuracy(share)) / 128
        proxy = script.reward(share)
        reward = passing if proxy is None else proxy + rng.normal(0, 0.02)
        kind = script.reward_type if proxy is not None else "unit_tests"
        spread = RewardSummary(mean=reward, std=0.2, min=reward - 0.5, max=reward + 0.5)
        length = script.length(share) * rng.normal(1, 0.03)
        records.append(
            StepRecord(
                step=step,
                stage=script.stage(share),
                reward=reward,
                reward_std=0.2,
                rewards={kind: spread},
                zero_variance_groups=rng.binomial(16, 0.1) / 16,
                length_mean=length,
                length_p10=0.6 * length,
                length_p50=length,
                length_p90=1.5 * length,
                truncated=rng.binomial(128, 0.02) / 128,
                entropy=script.entropy(share) * rng.normal(1, 0.03),
                self_certainty=2.0 + share,
                reasoning_share=float(np.clip(script.reasoning(share) + rng.normal(0, 0.02), 0, 1)),
                no_code=rng.binomial(128, 0.02) / 128,
                pass_rate=passing,
                majority_share=0.5,
                tokens=int(128 * length * step),
            )
        )  # fmt: skip
    return records


def eval_records(
    script: Script, steps: int, every: int, rng: np.random.Generator, difficulty: np.ndarray
) -> list[EvalRecord]:
    records: list[EvalRecord] = []
    for step in range(0, steps + 1, every):
        share = step / steps
        for mode, samples, bonus in (("sampled", SAMPLES, 0.0), ("greedy", 1, 0.10)):
            wanted = min(script.accuracy(share) + bonus, 1.0)
            chance = np.clip(difficulty - difficulty.mean() + wanted, 0, 1) * (wanted > 0.2) + wanted * (
                wanted <= 0.2
            )
            correct = rng.binomial(samples, chance)
            records.append(
                EvalRecord.model_validate(
                    {
                        "step": step,
                        "stage": script.stage(share),
                        "mode": mode,
                        "samples": samples,
                        "temperature": 1.0 if mode == "sampled" else 0.0,
                        "max_tokens": 128,
                        "problems": PROBLEMS,
                        "pass_at_1": correct.mean() / samples,
                        "pass_at_1_ci": interval(correct / samples, rng),
                        "length_mean": script.length(share),
                        "reasoning_share": script.reasoning(share),
                        "reasoning_rate": min(1.0, script.reasoning(share) * 1.6),
                        "truncated": 0.02,
                        "no_code": 0.02,
                        "correct": {f"p{i}": int(n) for i, n in enumerate(correct)},
                    }
                )
            )  # fmt: skip
    return records


def interval(scores: np.ndarray, rng: np.random.Generator) -> tuple[float, float]:
    means = rng.choice(scores, (500, len(scores))).mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def rollout_rows(
    script: Script, step: int, share: float, rng: np.random.Generator
) -> list[dict[str, object]]:
    """Two groups of four completions, reasoned at length or hardly, with text a browser must not believe."""
    rows: list[dict[str, object]] = []
    for group in range(2):
        a, b = group + 2, step % 7 + 1
        for index in range(4):
            right = bool(rng.random() < script.accuracy(share))
            reasoning = "".join(
                f"# step {n}: {n}*x + {b} <b>&\n" for n in range(1, round(script.reasoning(share) * 8) + 1)
            )
            code = f"def f(x):\n    return {a}*x + {b if right else b + 1}"
            text = (
                f"{reasoning}```python\n{code}\n```"
                if index
                else f"<script>alert({step})</script>\n{reasoning}```\n{code}\n```"
            )
            rows.append({
                "step": step, "stage": script.stage(share), "problem_id": f"t{group}",
                "statement": f"Write f(x): multiply x by {a}, then add {b}.", "group": group, "index": index,
                "text": text, "code": code, "tokens": len(text) // 4, "reasoning_tokens": len(reasoning) // 4,
                "finished": True, "reward": float(rng.normal(2, 1)), "passed": right,
                "status": "passed" if right else "wrong_answer",
            })  # fmt: skip
    return rows


def run_config(script: Script, steps: int, seed: int, temperature: float = 1.0) -> dict[str, object]:
    """The configuration of a run that did this: its last stage is on tests where there are several."""
    ends = [round(end * steps) for _, end in script.stages]
    starts = [0, *ends[:-1]]
    rewards = [script.reward_type, *["unit_tests"] * (len(ends) - 1)]
    stages = [
        {"name": name, "steps": end - start, "reward": reward}
        for (name, _), start, end, reward in zip(script.stages, starts, ends, rewards, strict=True)
    ]
    given = {"seed": seed, "stages": stages, "grpo": {"temperature": temperature}}
    return RunConfig.model_validate(given).model_dump(mode="json")


def write_run(
    run: RunDir, script: Script, steps: int, every: int, seed: int, temperature: float = 1.0
) -> None:
    rng = np.random.default_rng(seed)
    # The same problems for every run, as in a real study: comparisons are paired.
    difficulty = np.random.default_rng(7).beta(0.8, 1.0, PROBLEMS)
    run.create(run_config(script, steps, seed, temperature))
    for record in step_records(script, steps, rng):
        run.append_step(record)
    for record in eval_records(script, steps, every, rng, difficulty):
        run.append_eval(record)
    for step in (1, steps // 4, steps // 2, steps):
        run.write_rollouts(step, rollout_rows(script, step, step / steps, rng))
    versions = {"rlif": "0.1.0", "python": "3.11", "torch": "2.13.0", "trl": "1.16.0"}
    run.write_status(
        RunState(
            state="complete",
            step=steps,
            total_steps=steps,
            versions=versions,
            isolation="bwrap",
            seconds=93.0,
        )
    )


def write_study(
    path: Path, scripts: dict[str, Script] | None = None, steps: int = 40, every: int = 5
) -> StudyDir:
    """Write the whole study, or the given runs; returns its directory."""
    study, scripts = StudyDir(path), scripts or SCRIPTS
    runs = [RunInfo(id=name, label=script.label, role=script.role) for name, script in scripts.items()]
    study.create(StudyInfo(name="Synthetic study", description="Six runs with known effects.", runs=runs))
    for seed, (name, script) in enumerate(scripts.items()):
        write_run(study.run_dir(name), script, steps, every, seed)
    return study


SEEDED = (
    ("rlvr", ""),
    ("self_certainty", ""),
    ("self_certainty", "temperature=0.6"),
    ("self_certainty", "temperature=1.4"),
    ("functional_majority", ""),
    ("random", ""),
    ("random", "temperature=0.6"),
    ("random", "temperature=1.4"),
    ("rlif_rlvr", ""),
)
"""Arm and variation of the study with seeds."""


def write_seeded_study(path: Path, seeds: int = 3, steps: int = 20, every: int = 5) -> StudyDir:
    """Write a study of several seeds with one axis, as `rlif study run` leaves it; returns its directory."""
    study = StudyDir(path)
    infos = {
        (arm, variation, seed): RunInfo.model_validate({
            "id": f"{arm}{'-' if variation else ''}{variation.replace('=', '-')}-s{seed}",
            "label": ", ".join(filter(None, [SCRIPTS[arm].label, variation, f"seed {seed}"])),
            "role": SCRIPTS[arm].role, "arm": arm, "variation": variation, "seed": seed,
        })
        for arm, variation in SEEDED for seed in range(seeds)
    }  # fmt: skip
    study.create(StudyInfo(name="Seeded study", runs=list(infos.values())))
    for number, ((arm, variation, _), info) in enumerate(infos.items()):
        temperature = float(variation.partition("=")[2] or 1.0)
        write_run(study.run_dir(info.id), SCRIPTS[arm], steps, every, number, temperature)
    return study
