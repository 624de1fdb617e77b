"""A stage's [grpo] table -> TRL's `GRPOConfig`, with every default that matters written out."""

import warnings
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from trl.trainer.grpo_config import GRPOConfig

from rlif.config import GRPOTable, RunConfig
from rlif.errors import UserError, did_you_mean

OWN = {
    "logging_strategy": "every step is recorded",
    "logging_steps": "every step is recorded",
    "max_steps": "it is the stage's `steps`",
    "num_train_epochs": "a stage is as long as its `steps`",
    "output_dir": "it follows from --out",
    "save_strategy": "`checkpoint_every` says when",
    "save_steps": "`checkpoint_every` says when",
    "save_total_limit": "the last checkpoint and the one before are kept",
    "save_only_model": "a killed run needs the optimiser",
    "eval_strategy": "`evaluation.every` says when",
    "load_best_model_at_end": "`stopping` says which policy to keep",
    "shuffle_dataset": "problems come in the order of the seed",
    "seed": "it follows from the run's",
    "report_to": "write it at the top of the run file",
}
"""Settings that rlif's records, checkpoints and stages rest on, each with where it comes from."""


def grpo_config(config: RunConfig, stage: int, output_dir: Path, processes: int) -> GRPOConfig:
    """Build the `GRPOConfig` of one stage.

    Args:
        config: the run.
        stage: index of the stage.
        output_dir: where checkpoints go.
        processes: number of processes that train together.

    Raises:
        UserError: groups or completions that cannot be shared out evenly, or a setting TRL does not know or
            accept.
    """
    table = config.stage_grpo(stage)
    if table.prompts_per_step % processes:
        raise UserError(
            f"{table.prompts_per_step} groups (grpo.prompts_per_step) cannot be shared by {processes} "
            "processes: a group's completions are compared with one another, so each process needs whole "
            "groups, as many as the others.",
            f"Make grpo.prompts_per_step a multiple of {processes}, or start fewer processes.",
        )
    batch = table.per_device_train_batch_size or table.completions_per_step // processes
    if batch == 0 or table.completions_per_step % (batch * processes):
        raise UserError(
            f"{table.completions_per_step} completions a step cannot be shared by {processes} processes in "
            f"batches of {batch or 1}.",
            "Change grpo.prompts_per_step, grpo.num_generations or grpo.per_device_train_batch_size.",
        )
    known = {field.name for field in fields(GRPOConfig)}
    for key in table.extra:
        if key not in known:
            raise UserError(f"grpo.extra.{key} is no setting of TRL's GRPOConfig.", did_you_mean(key, known))
        if key in GRPOTable.model_fields:
            raise UserError(f"grpo.extra.{key} is a setting of [grpo] itself.", f"Write grpo.{key}.")
        if key in OWN:
            raise UserError(f"grpo.extra.{key} is set by rlif: {OWN[key]}.", "Leave it out.")
    mixture = len(config.stages[stage].reward) > 1
    own = {"extra", "prompts_per_step", "per_device_train_batch_size", "multi_objective_aggregation"}
    settings: dict[str, Any] = {
        **table.model_dump(exclude=own),
        "multi_objective_aggregation": table.multi_objective_aggregation
        or ("normalize_then_sum" if mixture else "sum_then_normalize"),
        "per_device_train_batch_size": batch,
        "gradient_accumulation_steps": table.completions_per_step // (batch * processes),
        "max_steps": config.stages[stage].steps,
        "output_dir": str(output_dir),
        "seed": config.seed * 1000 + stage,
        "shuffle_dataset": False,  # the data set is in training order already
        "disable_dropout": True,
        "use_cache": True,  # Trainer writes it into the model's config, and checkpoints would inherit a False
        "generation_kwargs": {"use_cache": True, "top_k": 0, "do_sample": True},
        "logging_steps": 1,
        "save_strategy": "no",  # CheckpointCallback asks for them
        "save_total_limit": 2,  # the last one, and the one before until the last is known to be whole
        "report_to": list(config.report_to),
        "run_name": f"{config.name}-{config.stages[stage].label}",
        "disable_tqdm": True,
        "use_cpu": not torch.cuda.is_available(),
        "dataloader_num_workers": 0,
        **table.extra,
    }
    try:
        with warnings.catch_warnings():
            # A new name from transformers 5.23 on; rlif runs on older ones too.
            warnings.filterwarnings("ignore", "`gradient_checkpointing` is deprecated", FutureWarning)
            return GRPOConfig(**settings)
    except (ValueError, TypeError) as error:
        raise UserError(
            f"TRL refuses the [grpo] settings of stage '{config.stages[stage].label}': {error}"
        ) from None
