"""Run by test_distributed_parity.py on one process or two: four steps on given completions.

Sampling differs between processes, so the completions are given: which ones follows from prompt and place in
the group alone. What is left is everything that has to be the same however many processes share the step:
rewards, advantages, losses, gradients, and the weights after them.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import PartialState
from datasets import Dataset
from distributed_script_fsdp2 import fsdp2_on_the_cpu
from safetensors.torch import save_file
from test_trl_contract import config
from tiny_models import tiny_llama, tiny_tokenizer
from transformers import TrainerCallback

from rlif.problems.types import Problem, TestCase
from rlif.rewards import Need, parse_reward
from rlif.sandbox import Sandbox
from rlif.training.trainer import IntrinsicGRPOTrainer

GROUP, GROUPS, STEPS = 4, 2, 4

REWARDS: dict[str, Any] = {
    "self_certainty": "self_certainty",
    "functional_majority": "functional_majority",
    # Models with shards of their own, all of one size: if processes mixed them up, nothing would fail.
    "companions": [
        {"type": "self_certainty", "scorer": "ema"},
        {"type": "token_entropy", "scorer": "initial", "weight": 0.5},
    ],
}

PROGRAMS = ("print(1)", "print( 1)", "print(2)", "print(")
"""Of each group's four, two agree, one does not, and one does not run."""


def answer(number: int) -> str:
    """Return one of the answers."""
    return f"```python\n{PROGRAMS[number % len(PROGRAMS)]}\n```"


class Given(IntrinsicGRPOTrainer):
    """Samples nothing: each prompt has its answers."""

    def _generate_single_turn(self, prompt_ids: list[list[int]], *args: Any, **kwargs: Any) -> Any:
        eos = self._tokenizer.eos_token_id
        return [
            [*self._tokenizer(answer(sum(ids) + row % GROUP)).input_ids[1:], eos]
            for row, ids in enumerate(prompt_ids)
        ], None


def main(out: Path, kind: str) -> None:
    if kind == "fsdp2":
        fsdp2_on_the_cpu()
    with Sandbox(1, "process") as sandbox:
        for name, reward in REWARDS.items():
            train(out, name, reward, sandbox)


def train(out: Path, name: str, reward: Any, sandbox: Sandbox) -> None:
    """Write each step's numbers to <name>.json and the weights at the end to <name>.safetensors."""
    tokenizer = tiny_tokenizer(chat=False)
    prompts = [f"Task {number}.\n" for number in range(STEPS * GROUPS)]
    problems = {
        prompt: Problem(prompt, prompt, "", None, (TestCase("3\n", "3\n"),), (), source="test")
        for prompt in prompts
    }
    trainer = Given(
        model=tiny_llama(tokenizer),
        reward_funcs=[parse_reward(of) for of in (reward if isinstance(reward, list) else [reward])],
        args=config(
            out / "checkpoints",
            per_device_train_batch_size=GROUP * GROUPS // PartialState(cpu=True).num_processes,
            max_steps=STEPS,
            num_iterations=2,  # off policy in every second step, where the loss is not 0
            learning_rate=0.1,
            optim="sgd",  # Adam's first steps are the signs of gradients: rounding would decide some
            lr_scheduler_type="constant",
            shuffle_dataset=False,
            loss_type="grpo",
            epsilon=1e6,  # nothing is clipped: rounding would decide about a token at the boundary
            max_completion_length=48,
        ),
        train_dataset=Dataset.from_dict({"prompt": prompts, "problem_id": prompts}),
        processing_class=tokenizer,
        problems=problems,
        sandbox=sandbox,
        observe=[Need.TOKEN_STATS],
        ema_decay=0.5,
    )
    steps = Steps(trainer)
    trainer.add_callback(steps)
    trainer.train()
    weights = trainer.accelerator.get_state_dict(trainer.model_wrapped)
    if PartialState().is_main_process:
        head = type(trainer.accelerator.unwrap_model(trainer.model).get_output_embeddings()).__name__
        (out / f"{name}.json").write_text(json.dumps({"steps": steps.seen, "head": head}))
        save_file({key: w.contiguous() for key, w in weights.items()}, out / f"{name}.safetensors")


class Steps(TrainerCallback):
    """Keeps what is known of each step."""

    def __init__(self, trainer: IntrinsicGRPOTrainer) -> None:
        self.trainer, self.seen = trainer, list[dict[str, Any]]()

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        rollouts = self.trainer.rollouts
        if rollouts is None or "loss" not in logs:
            return
        stats = [group.token_stats for group in rollouts.groups if group.token_stats is not None]
        self.seen.append(
            {
                "problems": [group.problem.id for group in rollouts.groups],
                "seeds": [group.seed for group in rollouts.groups],
                "rewards": rollouts.combined.tolist(),
                "entropy": [float(np.asarray(of.entropy).sum()) for of in stats],
                "loss": logs["loss"],
                "grad_norm": logs["grad_norm"],
            }
        )


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]), sys.argv[2])
