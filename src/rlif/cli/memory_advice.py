"""What to change when the memory of a device was not enough, with the planner's numbers."""

import os
from dataclasses import replace

from rlif.config import RunConfig
from rlif.errors import UserError
from rlif.study.budget import Place
from rlif.study.hardware import Device
from rlif.study.run_plan import plan_run
from rlif.study.setting import Sharding


def memory_advice(config: RunConfig, memory: float, is_gpu: bool, processes: int = 1) -> str:
    """Return the changes that would make a run smaller, and what each would then hold.

    Args:
        config: the run that did not fit.
        memory: bytes of the device.
        is_gpu: whether it is one.
        processes: of the run; what they share out is what accelerate was told.

    Returns:
        Lines of text; "" for a model whose shape is not known here.
    """
    device = Device("this device", memory, 1.0, 1.0, 0.0, 0.0, is_gpu=is_gpu)  # no times are asked
    rank = config.lora.r if config.lora else 0
    place = Place(device, processes, _sharding(), rank)
    try:
        found = plan_run(config, place)
        if found.fits:  # by a plan that is within a quarter of the truth, or others use the device too
            smaller = replace(device, memory=0.75 * found.memory.total)
            found = replace(plan_run(config, replace(place, device=smaller)), place=place)
    except UserError:
        return ""
    lines = [f"By `rlif plan` it needs {_gb(found.memory.total)} of {_gb(memory)}. Instead:"]
    lines += [f"  {change.what}: {_gb(change.memory)}" for change in found.changes]
    return "\n".join(lines)


def _sharding() -> Sharding:
    """Return what accelerate's launcher tells its processes to share out."""
    if os.environ.get("ACCELERATE_USE_FSDP", "").lower() == "true":
        return Sharding.FSDP2
    stage = os.environ.get("ACCELERATE_DEEPSPEED_ZERO_STAGE", "")
    return {"2": Sharding.ZERO2, "3": Sharding.ZERO3}.get(stage, Sharding.DDP)


def _gb(amount: float) -> str:
    return f"{amount / 1e9:.3g} GB"
