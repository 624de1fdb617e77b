"""`Attempts`: what became of each attempt at each run, in STUDY/attempts.jsonl.

A run that was killed, or whose machine was lost, cannot say so itself: the runner that noticed does.
"""

import time
from pathlib import Path

from rlif.records.files import append_line, read_jsonl
from rlif.records.schema import Record


class Attempt(Record):
    """One attempt that is over.

    Attributes:
        run: id of the run. started, ended: seconds since the epoch.
        error: how it failed; "" when the run is complete.
    """

    run: str
    started: float
    ended: float
    error: str = ""


class Attempts:
    """The attempts at the runs of one study.

    Args:
        directory: of the study.
    """

    def __init__(self, directory: Path) -> None:
        self.path = directory / "attempts.jsonl"

    def add(self, run: str, started: float, error: str) -> None:
        """Append one that has just ended."""
        record = Attempt(run=run, started=started, ended=time.time(), error=error)
        self.path.touch()
        append_line(self.path, record.model_dump_json())

    def last_errors(self) -> dict[str, str]:
        """Return run -> how its last attempt failed, for those that did."""
        if not self.path.is_file():
            return {}
        last = {line.value["run"]: str(line.value.get("error", "")) for line in read_jsonl(self.path)}
        return {run: error for run, error in last.items() if error}
