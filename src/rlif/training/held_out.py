"""Held-out evaluation of the model in training, as a run file asks for it."""

from collections.abc import Callable, Sequence
from typing import Any

from rlif.config import RunConfig
from rlif.evaluation import Sampling, evaluate, observe
from rlif.evaluation.transformers_generator import TransformersGenerator
from rlif.problems.extraction import extraction_of
from rlif.problems.prompts import build_prompt, default_stop
from rlif.problems.types import Problem
from rlif.records import EvalRecord
from rlif.sandbox import Sandbox
from rlif.training.processes import in_shards, processes
from rlif.training.shared_generator import SharedOut
from rlif.training.trainer import IntrinsicGRPOTrainer


def held_out_evaluation(
    config: RunConfig,
    trainer: IntrinsicGRPOTrainer,
    problems: Sequence[Problem],
    sandbox: Sandbox,
    stage: int,
    tell: Callable[[EvalRecord], None],
) -> Callable[[int], None]:
    """Return what evaluates the model after a number of steps, sampled and greedy.

    All processes generate: a share of the completions each; all of them each, and the same ones, where
    weights are in shards and a pass takes all processes. The main process grades, unless the run has no
    `truth`.

    Args:
        config: the run.
        trainer: whose model it is.
        problems: kept apart for this.
        sandbox: where programs run.
        stage: index of the one in training.
        tell: called with each record, on the main process.
    """
    table, style, label = config.evaluation, config.prompt_style, config.stages[stage].label
    tokenizer: Any = trainer.processing_class
    max_tokens = config.stage_grpo(stage).max_completion_length
    prompts = [build_prompt(problem, style, tokenizer.chat_template is not None) for problem in problems]
    # The same draws at every step: what changes is the policy.
    stop = default_stop(style)
    settings = [Sampling(table.samples, table.temperature, 1.0, max_tokens, config.seed, stop)]
    if table.greedy:
        settings.append(Sampling(1, 0.0, 1.0, max_tokens, config.seed, stop))
    several = processes().num_processes > 1
    kind = SharedOut if several and not in_shards(trainer.accelerator) else TransformersGenerator

    def measure(step: int) -> None:
        model: Any = trainer.accelerator.unwrap_model(trainer.model)
        generator = kind(model, tokenizer, table.batch_size, extraction_of(style))
        for sampling in settings:
            if not processes().is_main_process:
                list(generator.generate(prompts, sampling))
            elif config.truth:
                tell(evaluate(generator, problems, prompts, sandbox, sampling, step=step, stage=label).record)
            else:
                tell(observe(generator, problems, prompts, sampling, step, label))

    return measure
