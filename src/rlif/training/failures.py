"""What the user is told when training fails for a reason that lies outside of the program."""

import torch

from rlif.errors import UserError


def user_error(error: BaseException) -> UserError | None:
    """Return what to do about a failure of the device's memory or of another process; None for all others."""
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    if isinstance(error, torch.OutOfMemoryError):
        return UserError(
            f"The device's memory does not hold a training step: {reason}",
            "Lower grpo.per_device_train_batch_size (the rest becomes gradient accumulation) or "
            "grpo.max_completion_length, set grpo.gradient_checkpointing = true or grpo.bf16 = true, or "
            "share the weights out over more devices (configs/accelerate/fsdp2.yaml).",
        )
    # gloo's errors are plain RuntimeErrors that name its source files.
    if isinstance(error, torch.distributed.DistError) or (
        isinstance(error, RuntimeError) and "/gloo/" in str(error)
    ):
        return UserError(
            f"Another process of this run is gone, or does not answer: {reason}",
            "Look for its own message first. The same command continues from the last checkpoint.",
        )
    return None
