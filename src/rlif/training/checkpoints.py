"""Where a stage's checkpoints are, and which of them a killed run can continue from."""

import json
import shutil
from pathlib import Path
from typing import Any, cast

from accelerate.utils import is_peft_model
from peft import PeftModel
from transformers import PreTrainedTokenizerBase, Trainer

from rlif.errors import UserError
from rlif.evaluation.dtype import Dtype
from rlif.evaluation.models import load_model
from rlif.records import RunDir
from rlif.records.files import write_atomic
from rlif.training.processes import in_shards, processes

WHOLE = "rlif-complete"
"""Name of the file that marks a checkpoint as completely written; it says how many processes wrote it."""

MERGED = "merged"
"""Directory in a checkpoint with the whole model, where the checkpoint itself holds a LoRA adapter."""

START = "start"
"""Directory, beside the checkpoints, of the weights that training started from."""


def stage_directory(run: RunDir, index: int, label: str) -> Path:
    """Return the directory of one stage's checkpoints."""
    safe = "".join(c if c.isalnum() or c in "-_+" else "-" for c in label)
    return run.checkpoints_path / f"{index}-{safe}"


def checkpoint_step(path: Path) -> int:
    """Return the step of a `checkpoint-<step>` directory, counted within its stage."""
    return int(path.name.rpartition("-")[2])


def last_checkpoint(directory: Path) -> Path | None:
    """Return the last completely written checkpoint, and delete those that a kill left half-written.

    With several processes all have to ask: none goes on before the half-written ones are gone.
    """
    whole = list[Path]()
    for path in directory.glob("checkpoint-*"):
        if (path / WHOLE).is_file():
            whole.append(path)
        elif processes().is_main_process:
            shutil.rmtree(path, ignore_errors=True)
    processes().wait_for_everyone()
    return max(whole, key=checkpoint_step, default=None)


def mark_whole(checkpoint: Path) -> None:
    """Mark a checkpoint as completely written, once every process has come here."""
    processes().wait_for_everyone()
    if processes().is_main_process:
        write_atomic(checkpoint / WHOLE, json.dumps({"processes": processes().num_processes}).encode())
    processes().wait_for_everyone()


def check_processes(checkpoint: Path) -> None:
    """Refuse to continue from what another number of processes wrote: shards and random states are theirs.

    Raises:
        UserError: it was another number.
    """
    text = (checkpoint / WHOLE).read_text()
    wrote = json.loads(text)["processes"] if text else 1  # an empty mark is from before there were several
    if wrote != processes().num_processes:
        raise UserError(
            f"The checkpoint {checkpoint} was written by {wrote} process{'es' * (wrote != 1)}, and this run "
            f"has {processes().num_processes}: optimiser shards and random states are per process.",
            f"Continue with {wrote} (accelerate launch --num_processes {wrote}), or begin anew in another "
            "directory (--out).",
        )


def check_adapters(trainer: Trainer) -> None:
    """Refuse LoRA adapters on weights in shards, before anything is trained.

    Raises:
        UserError: that is how the trainer was set up.
    """
    if is_peft_model(trainer.accelerator.unwrap_model(trainer.model)) and in_shards(trainer.accelerator):
        raise UserError(
            "A LoRA adapter on weights in shards cannot be merged into them.",
            "Train it with DDP or ZeRO-2 (configs/accelerate/ddp.yaml): an adapter's optimiser is small.",
        )


def save_model(trainer: Trainer, checkpoint: Path) -> None:
    """Write the model as a directory that `load_model` reads, where the checkpoint alone is none.

    That is where it holds shards, whose weights are gathered in the memory of the first process; and where
    it holds a LoRA adapter, which is merged into the weights. All processes have to call it.

    """
    policy: Any = trainer.accelerator.unwrap_model(trainer.model)
    if is_peft_model(policy):
        if processes().is_main_process:
            _save_merged(trainer, policy, checkpoint / MERGED)
        return
    plugin = getattr(trainer.accelerator.state, "fsdp_plugin", None)
    if plugin is None or "SHARDED_STATE_DICT" not in str(plugin.state_dict_type):
        return
    weights = trainer.accelerator.get_state_dict(trainer.model)
    if processes().is_main_process:
        policy.save_pretrained(checkpoint, state_dict=weights)
        cast("PreTrainedTokenizerBase", trainer.processing_class).save_pretrained(checkpoint)


def model_directory(checkpoint: Path) -> Path:
    """Return where a stage's last checkpoint has its model, whole."""
    return checkpoint / MERGED if (checkpoint / MERGED).is_dir() else checkpoint


def _save_merged(trainer: Trainer, policy: Any, directory: Path) -> None:
    """Write base model plus adapter as one model; afterwards they are apart again.

    Where the base is held in 4 bits, the adapter is merged into its full weights, read anew: merging into
    4 bits would round the adapter away.
    """
    base = policy.get_base_model()
    if getattr(base, "is_loaded_in_4bit", False):
        dtype = cast("Dtype", str(policy.dtype).removeprefix("torch."))
        full = load_model(base.name_or_path, dtype).model
        merged: Any = PeftModel.from_pretrained(full, directory.parent).merge_and_unload()
        merged.save_pretrained(directory)
        cast("PreTrainedTokenizerBase", trainer.processing_class).save_pretrained(directory)
        return
    policy.merge_adapter()
    weights = {
        name.replace(".base_layer", ""): weight
        for name, weight in base.state_dict().items()
        if policy.prefix not in name
    }
    base.save_pretrained(directory, state_dict=weights)
    policy.unmerge_adapter()
    cast("PreTrainedTokenizerBase", trainer.processing_class).save_pretrained(directory)
