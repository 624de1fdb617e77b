"""FSDP2 on the CPU, for scripts that test_distributed*.py runs on several gloo processes.

torch 2.13 shards on the CPU with gloo. accelerate 1.15 does not hand it the work: `AcceleratorState` looks at
ACCELERATE_USE_FSDP only where the processes have accelerators (MULTI_GPU, MULTI_XPU, …; for MULTI_CPU it is
ignored without a word, and the model is wrapped in DDP). `fsdp2_on_the_cpu` makes that one decision here;
everything after it is accelerate's, transformers' and TRL's own code, as on GPUs.
"""

import os
from typing import Any

from accelerate.state import AcceleratorState, PartialState
from accelerate.utils import DistributedType


def fsdp2_on_the_cpu(state_dict_type: str = "FULL_STATE_DICT") -> None:
    """Make accelerate shard in this process, as a configuration file with fsdp_version: 2 would."""
    os.environ |= {
        "ACCELERATE_USE_FSDP": "true",
        "FSDP_VERSION": "2",
        "FSDP_AUTO_WRAP_POLICY": "TRANSFORMER_BASED_WRAP",
        "FSDP_RESHARD_AFTER_FORWARD": "true",
        "FSDP_STATE_DICT_TYPE": state_dict_type,
    }
    begin = AcceleratorState.__init__

    def begin_sharded(self: Any, *args: Any, fsdp_plugin: Any = None, **kwargs: Any) -> None:
        begin(self, *args, fsdp_plugin=fsdp_plugin, **kwargs)
        if fsdp_plugin is not None and self.distributed_type == DistributedType.MULTI_CPU:
            self.fsdp_plugin = fsdp_plugin
            self.distributed_type = DistributedType.FSDP
            PartialState._shared_state["distributed_type"] = DistributedType.FSDP

    AcceleratorState.__init__ = begin_sharded  # type: ignore[method-assign]
