"""Where a stage's checkpoints are, and which of them a killed run can continue from."""

import shutil
from pathlib import Path

from rlif.records import RunDir
from rlif.training.callbacks import WHOLE


def stage_directory(run: RunDir, index: int, label: str) -> Path:
    """Return the directory of one stage's checkpoints."""
    safe = "".join(c if c.isalnum() or c in "-_+" else "-" for c in label)
    return run.checkpoints_path / f"{index}-{safe}"


def checkpoint_step(path: Path) -> int:
    """Return the step of a `checkpoint-<step>` directory, counted within its stage."""
    return int(path.name.rpartition("-")[2])


def last_checkpoint(directory: Path) -> Path | None:
    """Return the last completely written checkpoint, and delete those that a kill left half-written."""
    whole = list[Path]()
    for path in directory.glob("checkpoint-*"):
        if (path / WHOLE).is_file():
            whole.append(path)
        else:
            shutil.rmtree(path, ignore_errors=True)
    return max(whole, key=checkpoint_step, default=None)
