"""What the user is told when training fails for a reason that lies outside of the program."""

import torch

from rlif.errors import UserError, missing_extra


class DeviceFull(UserError):
    """The memory of a device does not hold a training step."""


def user_error(error: BaseException) -> UserError | None:
    """Return what to do about a full device, a lost process or a missing package; None for all others."""
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    # On a CPU it is a plain RuntimeError of the allocator.
    if isinstance(error, torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(error):
        return DeviceFull(
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
    if isinstance(error, ImportError) and "bitsandbytes" in reason:
        return missing_extra("bitsandbytes", "qlora")
    return None
