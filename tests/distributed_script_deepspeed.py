"""DeepSpeed on the CPU, for test_distributed_deepspeed.py; `accelerate launch` starts it with a shipped file.

python distributed_script_deepspeed.py parity DIRECTORY REWARD...
python distributed_script_deepspeed.py run RUN.json DIRECTORY...

DeepSpeed trains on CPUs with gloo. accelerate 1.15 does not hand it the work: `AcceleratorState` looks at
ACCELERATE_USE_DEEPSPEED only where it is not told to use the CPU (there it is ignored without a word, and
the model is wrapped in DDP). `deepspeed_on_the_cpu` makes that one decision here, as the same method would
on a GPU; everything after it is accelerate's, DeepSpeed's, transformers' and TRL's own code. Nothing is
compiled: gloo does what DeepSpeed's C++ collective for CPUs would.
"""

import sys
from pathlib import Path
from typing import Any

import deepspeed
from accelerate.state import AcceleratorState, PartialState
from accelerate.utils import DistributedType
from distributed_script_parity import REWARDS, train

from rlif.config import load_run_config
from rlif.sandbox import Sandbox
from rlif.training.run import run


def deepspeed_on_the_cpu() -> None:
    """Make accelerate use the DeepSpeed settings that its launcher has put into the environment."""
    # DeepSpeed would compile it at the first start; a kill meanwhile leaves a lock that later runs wait for.
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    begin = AcceleratorState.__init__

    def begin_with_deepspeed(self: Any, *args: Any, deepspeed_plugin: Any = None, **kwargs: Any) -> None:
        begin(self, *args, deepspeed_plugin=deepspeed_plugin, **kwargs)
        if deepspeed_plugin is not None and self.distributed_type == DistributedType.MULTI_CPU:
            deepspeed_plugin.set_mixed_precision(self._mixed_precision)
            self.deepspeed_plugins = deepspeed_plugin
            self.distributed_type = DistributedType.DEEPSPEED
            PartialState._shared_state["distributed_type"] = DistributedType.DEEPSPEED
            deepspeed_plugin.select(_from_accelerator_state=True)

    AcceleratorState.__init__ = begin_with_deepspeed  # type: ignore[method-assign]


if __name__ == "__main__":
    deepspeed_on_the_cpu()
    if sys.argv[1] == "parity":
        with Sandbox(1, "process") as sandbox:
            for name in sys.argv[3:]:
                train(Path(sys.argv[2]), name, REWARDS[name], sandbox)
        if PartialState().is_main_process:  # so that a fall back to DDP would be seen
            (Path(sys.argv[2]) / "stage").write_text(str(AcceleratorState().deepspeed_plugin.zero_stage))
    else:
        for directory in sys.argv[3:]:
            run(load_run_config(Path(sys.argv[2])), Path(directory))
