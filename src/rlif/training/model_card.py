"""The base model's card: what it was taught, and what it can do, measured on problems it never saw."""

from dataclasses import asdict, replace
from pathlib import Path

import torch

from rlif.evaluation import Sampling, evaluate
from rlif.evaluation.models import load_model
from rlif.evaluation.transformers_generator import TransformersGenerator
from rlif.problems.minicode import load_minicode
from rlif.problems.prompts import build_prompt
from rlif.records import EvalRecord
from rlif.sandbox import Sandbox
from rlif.training.base import BaseRecipe

PROBLEMS, SAMPLES, MAX_TOKENS = 200, 8, 80


def write_model_card(recipe: BaseRecipe, directory: Path) -> None:
    """Measure the model in `directory` on minicode's test split and write its README.md."""
    torch.set_num_threads(1)
    model, tokenizer = load_model(str(directory))
    generator = TransformersGenerator(model, tokenizer, batch_size=128)
    problems = load_minicode("test", PROBLEMS)
    prompts = [build_prompt(problem, "bare", chat=True) for problem in problems]
    sampled = Sampling(SAMPLES, 1.0, max_tokens=MAX_TOKENS)
    greedy = replace(sampled, samples=1, temperature=0.0)
    with Sandbox(workers=1) as sandbox:
        records = [
            evaluate(generator, problems, prompts, sandbox, sampling).record for sampling in (sampled, greedy)
        ]
    parameters = sum(p.numel() for p in model.parameters())
    (directory / "README.md").write_text(card(recipe, parameters, *records))


def card(recipe: BaseRecipe, parameters: int, sampled: EvalRecord, greedy: EvalRecord) -> str:
    """Return the card's text."""
    settings = "\n".join(f"| {name} | {value} |" for name, value in asdict(recipe).items())
    low, high = sampled.pass_at_1_ci
    greedy_low, greedy_high = greedy.pass_at_1_ci
    return f"""---
license: apache-2.0
library_name: transformers
tags: [rlif, minicode, code]
---
# minicode-base

A Llama of {parameters:,} parameters, taught minicode problems from scratch by next-token
prediction, with `rlif base build`. Its corpus mixes worked answers (steps, sometimes a check, then a program)
with bare programs, and holds mistakes, as real text does. It is a testbed for reinforcement learning on a
laptop and nothing else.

Measured on {sampled.problems} problems of minicode's test split (none of them is in the corpus),
{sampled.samples} samples each at temperature 1 and one greedy answer; 95% bootstrap intervals over problems:

| | |
|---|---|
| pass@1, sampled | {sampled.pass_at_1:.3f} [{low:.3f}, {high:.3f}] |
| pass@1, greedy | {greedy.pass_at_1:.3f} [{greedy_low:.3f}, {greedy_high:.3f}] |
| pass@{sampled.samples} | {sampled.pass_at_k[str(sampled.samples)]:.3f} |
| pass@1 of samples with reasoning | {sampled.pass_with_reasoning:.3f} |
| pass@1 of samples without reasoning | {sampled.pass_without_reasoning:.3f} |
| samples with reasoning | {sampled.reasoning_rate:.3f} |
| mean length of a sample, tokens | {sampled.length_mean:.1f} |
| samples without a program | {sampled.no_code:.3f} |

Recipe:

| | |
|---|---|
{settings}
"""
