"""Run by test_distributed_run.py on two processes: whole runs, one after the other.

python distributed_script_run.py RUN.json ddp|fsdp2 DIRECTORY...
"""

import sys
from pathlib import Path

from distributed_script_fsdp2 import fsdp2_on_the_cpu

from rlif.config import load_run_config
from rlif.training.run import run

if __name__ == "__main__":
    if sys.argv[2] == "fsdp2":
        fsdp2_on_the_cpu("SHARDED_STATE_DICT")
    for directory in sys.argv[3:]:
        run(load_run_config(Path(sys.argv[1])), Path(directory))
