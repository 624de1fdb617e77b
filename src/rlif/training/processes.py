"""The processes that train one run together: who they are, and what they have to agree on.

`accelerate launch` starts them; with one process, everything here is free and changes nothing. Where weights
lie in shards (FSDP, DeepSpeed ZeRO-3), every forward pass is a meeting of all processes: whoever misses one
leaves the others waiting for ever. So the processes have to make the same passes, and a decision that leads
to a pass, or ends the training, has to be the decision of all.
"""

import os
from typing import Any

import torch
from accelerate import Accelerator, PartialState
from accelerate.utils import DistributedType, gather_object
from torch.distributed.fsdp import FSDPModule

from rlif.errors import UserError


def processes() -> PartialState:
    """Return accelerate's view of the processes, on the device that `grpo_config` trains on."""
    return PartialState(cpu=not torch.cuda.is_available())


def in_shards(accelerator: Accelerator) -> bool:
    """Whether no process has all weights of the model: FSDP, or DeepSpeed ZeRO-3."""
    deepspeed: Any = accelerator.state.deepspeed_plugin
    return getattr(accelerator.state, "fsdp_plugin", None) is not None or (
        deepspeed is not None and deepspeed.zero_stage == 3
    )


def asked_to_share() -> str:
    """Return what accelerate's launcher asked its processes to share out weights by; "" for nothing."""
    for variable, name in (("ACCELERATE_USE_FSDP", "FSDP"), ("ACCELERATE_USE_DEEPSPEED", "DeepSpeed")):
        if os.environ.get(variable, "").lower() == "true":
            return name
    return ""


def check_shared_out(accelerator: Accelerator) -> None:
    """Refuse a launch whose weights or optimiser would not be shared out as its configuration says.

    accelerate leaves FSDP and DeepSpeed out on CPUs, without a word.

    Raises:
        UserError: so it is.
    """
    name, is_shared = asked_to_share(), (DistributedType.FSDP, DistributedType.DEEPSPEED)
    if name and accelerator.distributed_type not in is_shared:
        raise UserError(
            f"{name} is asked for, and needs GPUs: without, every process would hold the whole model.",
            "On CPUs use configs/accelerate/ddp.yaml.",
        )


def any_of_all(flag: bool) -> bool:
    """Whether the flag is set on any process. All have to ask."""
    return any(of_each(flag))


def of_each(value: Any) -> list[Any]:
    """Return what each process gave, in the order of the processes. All have to ask."""
    return gather_object([value])


def generate_in_step(model: torch.nn.Module) -> None:
    """Make `generate` of an FSDP2 model go on until all processes have ended their completions.

    transformers sees to it where it sharded the model itself, and takes one that accelerate sharded for a
    whole one: the first process whose completions had all ended would leave the others waiting.
    """
    if isinstance(model, FSDPModule):
        model._is_fsdp_managed_module = True  # pyright: ignore[reportPrivateUsage, reportArgumentType]
