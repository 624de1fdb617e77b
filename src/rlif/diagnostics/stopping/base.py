"""`StoppingRule`: from a `History` to `Advice`: go on or stop, and which policy was the best so far.

A rule is its own configuration, as a reward is: a frozen pydantic model with a literal `type`. It is pure and
causal: row t of its advice follows from rows up to t of the history. So the same code watches a running job,
which looks at the last row, and replays a recorded one, which looks at the first row that says stop; and a
resumed job needs nothing but its log.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from rlif.diagnostics.series import Ints
from rlif.diagnostics.stopping.history import History, Signal

Window = Annotated[int, Field(ge=1)]
"""A number of recorded steps."""


@dataclass(frozen=True, slots=True, eq=False)
class Advice:
    """What a rule says after each of the n steps of a history.

    Attributes:
        stop: [n] whether to stop.
        best: [n] number of updates of the policy to keep if stopped here (0: the model at the start). Never
            falls from step to step, so that a checkpoint once passed over is not asked for later.
        reason: index of a step -> why it says what it says, with numbers.
    """

    stop: NDArray[np.bool_]
    best: Ints
    reason: Callable[[int], str]

    @property
    def first(self) -> int | None:
        """Index of the first step at which to stop, if any."""
        return int(self.stop.argmax()) if self.stop.any() else None


class StoppingRule(BaseModel, ABC):
    """Base of all rules. A subclass adds a literal `type`, its options, `signals` and `advise`.

    Attributes:
        signals: what it looks at. A signal that was not recorded is left out; with none it never stops.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    signals: ClassVar[tuple[Signal, ...]]

    type: Any  # a Literal in each subclass

    @property
    def fewest_steps(self) -> int:
        """Steps that it has to see before it can say stop."""
        return 1

    @abstractmethod
    def advise(self, history: History) -> Advice:
        """Return the advice after each step of a history."""
