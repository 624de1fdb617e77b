"""Run by test_collapse_callback.py on two processes whose rules disagree; each writes when it stopped."""

import json
import sys
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from accelerate import PartialState
from test_collapse_callback import make, weights

from rlif.diagnostics.stopping import Advice, History, Signal, StoppingRule
from rlif.training import CollapseCallback


class Disagreeing(StoppingRule):
    """Stops after 3 steps on the first process, after 5 on the other, and names other policies."""

    signals: ClassVar = (Signal.LENGTH_MEAN,)
    type: Literal["disagreeing"] = "disagreeing"

    def advise(self, history: History) -> Advice:
        rank = PartialState().process_index
        best = np.minimum(history.steps, 1 + rank)
        return Advice(history.steps >= 3 + 2 * rank, best, lambda row: f"process {rank}")


def main(out: Path) -> None:
    watch = CollapseCallback(Disagreeing(), action="rollback")
    trainer = make(out, watch)
    trainer.train()
    assert watch.stopped is not None
    seen = {
        "step": trainer.state.global_step,
        "reason": watch.stopped.reason,
        "restored": watch.restored.name if watch.restored else None,
        "weights": float(weights(trainer).double().sum()),
    }
    (out / f"seen-{PartialState().process_index}.json").write_text(json.dumps(seen))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
