"""The logs in this directory: one collapsing and one healthy run, as each tool would have written them.

The numbers are invented; the names, and the lines around them, are the tools'. Run it to write them again:
`python tests/logs/make_logs.py`. The tests import `course` and `trl_rows` to write the binary formats.
"""

import json
import random
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
STEPS = 30
RUNS = ("collapsing", "healthy")


def course(run: str) -> Iterator[dict[str, float]]:
    """Yield the signals of a run, step by step, starting with step 1."""
    rng = random.Random(run)
    for step in range(1, STEPS + 1):
        t = max(0.0, (step - 10) / (STEPS - 10))  # both are alike for ten steps
        lost = t if run == "collapsing" else 0.1 * t
        yield {
            "step": step,
            "reward": 0.31 + (0.5 if run == "collapsing" else 0.25) * t + rng.gauss(0, 0.01),
            "reward_std": 0.20 - 0.15 * lost,
            "equal": max(0.0, 0.10 + 0.85 * lost + rng.gauss(0, 0.02)),
            "length": 212 * (1 - 0.9 * lost) + rng.gauss(0, 3),
            "truncated": max(0.0, 0.05 + rng.gauss(0, 0.01)),
            "entropy": 0.42 * (1 - 0.95 * lost) + rng.gauss(0, 0.005),
            "kl": 0.02 * step / STEPS + 0.3 * lost,
            "grad_norm": 0.4 + rng.gauss(0, 0.05),
            "pass": 0.40 - 0.35 * lost + (0.10 * t if run == "healthy" else 0),
        }


def trl_rows(run: str, prefix: str = "") -> list[dict[str, float]]:
    """Return the log of TRL's GRPOTrainer; loggers put the prefix "train/" before its names."""
    names = {
        "loss": lambda s: 0.0,
        "grad_norm": lambda s: s["grad_norm"],
        "learning_rate": lambda s: 1e-6,
        "num_tokens": lambda s: 8000 * s["step"],
        "completions/mean_length": lambda s: s["length"],
        "completions/max_length": lambda s: 512,
        "completions/clipped_ratio": lambda s: s["truncated"],
        "rewards/self_certainty/mean": lambda s: s["reward"],
        "rewards/self_certainty/std": lambda s: s["reward_std"],
        "reward": lambda s: s["reward"],
        "reward_std": lambda s: s["reward_std"],
        "frac_reward_zero_std": lambda s: s["equal"],
        "kl": lambda s: s["kl"],
        "entropy": lambda s: s["entropy"],
        "clip_ratio/region_mean": lambda s: 0.01,
        "epoch": lambda s: s["step"] / 10,
    }
    step = "train/global_step" if prefix else "step"
    return [
        {prefix + name: round(value(s), 5) for name, value in names.items()} | {step: s["step"]}
        for s in course(run)
    ]


def verl_rows(run: str) -> list[dict[str, float]]:
    """Return what verl logs for each step, with an evaluation before training and every tenth step."""
    rows: list[dict[str, float]] = [{"step": 0, "val-core/minicode/acc/mean@4": 0.4}]
    for s in course(run):
        row = {
            "step": s["step"],
            "actor/entropy": s["entropy"],
            "actor/kl_loss": s["kl"],
            "actor/pg_loss": 0.0,
            "actor/pg_clipfrac": 0.01,
            "actor/ppo_kl": 0.001,
            "actor/grad_norm": s["grad_norm"],
            "actor/lr": 1e-6,
            "critic/score/mean": s["reward"],
            "critic/rewards/mean": s["reward"],
            "critic/rewards/max": 1.0,
            "response_length/mean": s["length"],
            "response_length/max": 512,
            "response_length/clip_ratio": s["truncated"],
            "training/global_step": s["step"],
        }
        if s["step"] % 10 == 0:
            row["val-core/minicode/acc/mean@4"] = s["pass"]
            row["val-core/minicode/acc/best@4/mean"] = min(1.0, 1.2 * s["pass"])
        rows.append({name: round(value, 5) for name, value in row.items()})
    return rows


def verl_console(run: str) -> str:
    """Return the console log, among other output, with Ray's prefix and NumPy's numbers."""
    lines = ["(TaskRunner pid=71) {'actor_rollout_ref': {'actor': {'ppo_epochs': 1}}}"]
    for row in verl_rows(run):
        step = row.pop("step")
        pairs = [f"{k}:np.float64({v})" if k == "actor/grad_norm" else f"{k}:{v}" for k, v in row.items()]
        lines.append(f"(TaskRunner pid=71) step:{int(step)} - " + " - ".join(pairs))
        lines.append("(TaskRunner pid=71) Training Progress:  10%|█         | 3/30 [01:12<10:48, 24.0s/it]")
    return "\n".join(lines) + "\n"


def openrlhf_console(run: str) -> str:
    """Return the console log of OpenRLHF's PPO trainer."""
    lines = ["2026-01-05 10:00:00,000 INFO worker.py:1821 -- Connecting to existing Ray cluster"]
    for s in course(run):
        status = {
            "policy_loss": 0.0,
            "ppo_clip_ratio": 0.01,
            "actor_lr": 1e-06,
            "kl": s["kl"],
            "entropy_loss": s["entropy"],
            "reward": s["reward"],
            "return": s["reward"],
            "response_length": s["length"],
            "total_length": s["length"] + 90,
            "response_clip_ratio": s["truncated"],
        }
        status = {name: round(value, 5) for name, value in status.items()}
        lines.append(
            f"(PPOTrainer pid=9) INFO 01-05 10:01:00 ppo_trainer.py:196] ✨ Global step {s['step']}: {status}"
        )
        if s["step"] % 10 == 0:
            metrics = {"eval_minicode_pass4": 0.6, "eval_minicode_pass1": round(s["pass"], 5)}
            lines.append(
                "(PPOTrainer pid=9) INFO 01-05 10:02:00 ppo_trainer.py:290] ✨ Evaluation completed "
                f"in 00:01:40, global_step {s['step']}, eval_metrics: {metrics}"
            )
    return "\n".join(lines) + "\n"


def wandb_chart(run: str) -> str:
    """Return a W&B chart with two metrics of one run, exported as CSV."""
    lines = []
    names = {"train/completions/mean_length": "length", "train/entropy": "entropy", "train/reward": "reward"}
    columns = [f"grpo-7 - {name}{end}" for name in names for end in ("", "__MIN", "__MAX")]
    lines.append(",".join(f'"{name}"' for name in ["Step", *columns]))
    for s in course(run):
        values = [f"{s[key]:.5f}" for key in names.values() for _ in range(3)]
        lines.append(",".join(f'"{value}"' for value in [str(s["step"]), *values]))
    return "\n".join(lines) + "\n"


def jsonl(rows: list[dict[str, float]]) -> str:
    """Return one object a line."""
    return "".join(json.dumps(row) + "\n" for row in rows)


def main() -> None:
    """Write every file."""
    for run in RUNS:
        checkpoint = HERE / f"trl-{run}" / f"checkpoint-{STEPS}"
        checkpoint.mkdir(parents=True, exist_ok=True)
        state = {"best_metric": None, "global_step": STEPS, "log_history": trl_rows(run), "max_steps": STEPS}
        (checkpoint / "trainer_state.json").write_text(json.dumps(state, indent=1) + "\n")
        verl = [{"step": row.pop("step"), "data": row} for row in verl_rows(run)]
        files = {
            f"verl-{run}.log": verl_console(run),
            f"verl-{run}.jsonl": jsonl(verl),
            f"openrlhf-{run}.log": openrlhf_console(run),
            f"wandb-chart-{run}.csv": wandb_chart(run),
            f"wandb-history-{run}.jsonl": jsonl(
                [
                    {"_step": 3 * i, "_runtime": 20.0 * i} | row
                    for i, row in enumerate(trl_rows(run, "train/"))
                ]
            ),
        }
        for name, text in files.items():
            (HERE / name).write_text(text)


if __name__ == "__main__":
    main()
