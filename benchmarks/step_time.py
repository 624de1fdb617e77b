"""What self-certainty adds to a GRPO step: plain TRL with a trivial reward, the tap, and a forward pass.

    python benchmarks/step_time.py
    python benchmarks/step_time.py --model models/smollm2 --completions 4 --tokens 24 --rounds 2

All three train the same model from the same seed at a learning rate of 0, so they sample the same completions
in the same steps, and take turns, A B C A B C …; a round's first step warms up and is left out. Times are CPU
time, on one thread: others may use the machine. The comparison is made step by step: the overhead is the
median over all steps of the ratio to the plain trainer's step with the same completions.
"""

import logging
import statistics
import tempfile
import time
from argparse import ArgumentParser, Namespace
from typing import Any

import torch
from datasets import Dataset
from rich.console import Console
from rich.table import Table
from transformers import PrinterCallback, TrainerCallback
from trl import GRPOConfig, GRPOTrainer

from rlif.evaluation.models import load_model
from rlif.problems.load import load_problems
from rlif.problems.prompts import build_prompt
from rlif.rewards import SelfCertainty
from rlif.training import IntrinsicGRPOTrainer

AIM = 0.05


class StepClock(TrainerCallback):
    """Notes the CPU time of each step."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.start = 0.0

    def on_step_begin(self, *args: Any, **kwargs: Any) -> None:
        self.start = time.process_time()

    def on_step_end(self, *args: Any, **kwargs: Any) -> None:
        self.seconds.append(time.process_time() - self.start)


def trivial(completions: list[Any], **_: Any) -> list[float]:
    return [float(i % 2) for i in range(len(completions))]


def train(variant: str, options: Namespace, seed: int, folder: str) -> list[float]:
    """Return the seconds of each step of one short training run, without the first."""
    model, tokenizer = load_model(options.model, "float32")
    chat = tokenizer.chat_template is not None
    problems = load_problems("minicode", split="train", limit=64)
    arguments = GRPOConfig(
        output_dir=folder,
        per_device_train_batch_size=options.completions,
        num_generations=4,
        max_completion_length=options.tokens,
        use_cache=True,  # the trainer would write False into the model's configuration, for generation too
        generation_kwargs={"min_new_tokens": options.tokens, "top_k": 0, "use_cache": True},
        max_steps=options.steps + 1,
        learning_rate=0.0,
        seed=seed,
        beta=0.0,
        bf16=False,
        activation_checkpointing=False,
        use_cpu=True,
        report_to=[],
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
    )
    clock = StepClock()
    common: dict[str, Any] = {
        "model": model,
        "args": arguments,
        "train_dataset": Dataset.from_list([{"prompt": build_prompt(p, "bare", chat)} for p in problems]),
        "processing_class": tokenizer,
        "callbacks": [clock],
    }
    if variant == "plain TRL":
        trainer: GRPOTrainer = GRPOTrainer(reward_funcs=trivial, **common)
    else:
        trainer = IntrinsicGRPOTrainer(reward_funcs=SelfCertainty(), tap=variant == "tap", **common)
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    return clock.seconds[1:]


def main() -> None:
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="minicode-base")
    parser.add_argument("--completions", type=int, default=32, help="a step, in groups of 4")
    parser.add_argument("--tokens", type=int, default=64, help="length of every completion")
    parser.add_argument("--steps", type=int, default=2, help="measured in each round")
    parser.add_argument("--rounds", type=int, default=4)
    options = parser.parse_args()
    torch.set_num_threads(1)
    for name in ("transformers", "trl", "accelerate"):
        logging.getLogger(name).setLevel(logging.ERROR)

    seconds: dict[str, list[float]] = {"plain TRL": [], "tap": [], "forward pass": []}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(options.rounds):
            for variant, found in seconds.items():
                found += train(variant, options, number, folder)

    shape = f"{options.completions} completions of {options.tokens} tokens"
    table = Table("", "CPU s a step", "overhead", title=f"{options.model}: {shape}, one thread")
    plain = seconds["plain TRL"]
    for variant, found in seconds.items():
        ratios = [value / base - 1 for value, base in zip(found, plain, strict=True)]
        middle, low, high = statistics.median(ratios), min(ratios), max(ratios)
        cell = "" if found is plain else f"{middle:+.1%} ({low:+.1%} to {high:+.1%})"
        table.add_row(variant, f"{statistics.median(found):.3f}", cell)
    Console(width=110).print(table, f"{len(plain)} steps each; aim: at most {AIM:+.0%} with the tap")


if __name__ == "__main__":
    main()
