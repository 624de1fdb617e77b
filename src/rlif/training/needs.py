"""What the signals of the active rewards mean for a trainer: models, statistics, votes, programs, prompts.

Signals come in sets, and Python orders a set of strings by a seed that each process draws for itself
(PYTHONHASHSEED). Whatever leads to passes of a model is therefore handed out in an order of its own: with
weights in shards, processes that made the same passes in different orders would mix up their parts.
"""

import time
from collections.abc import Collection, Generator, Mapping
from contextlib import contextmanager
from typing import Any

from rlif.errors import UserError
from rlif.problems.prompts import Prompt
from rlif.rewards import Need, Signal
from rlif.rollouts import Ballot, Scorer, Scoring, Voters

REPHRASED_COLUMN = "rephrased_prompt"
"""Column of the data set that asks each problem in other words, for rewards that vote on both."""


@contextmanager
def timed(seconds: dict[str, float], part: str) -> Generator[None]:
    """Add how long this took to what the part has taken."""
    start = time.perf_counter()
    yield
    seconds[part] = seconds.get(part, 0.0) + time.perf_counter() - start


def runs_programs(needs: Collection[Signal]) -> bool:
    """Whether problems, and a sandbox for their programs, are needed."""
    own = {Need.EXECUTIONS, Need.HIDDEN_TESTS, Need.VERIFICATIONS}
    return any(signal in own or isinstance(signal, Ballot) for signal in needs)


def scorings(needs: Collection[Signal]) -> list[Scoring]:
    """Return the token statistics asked for, in the same order in every process."""
    own = {Scoring()} if Need.TOKEN_STATS in needs else set[Scoring]()
    return sorted(own.union(signal for signal in needs if isinstance(signal, Scoring)), key=str)


def ballots(needs: Collection[Signal]) -> list[Ballot]:
    """Return the ballots asked for, in the same order in every process."""
    return sorted({signal for signal in needs if isinstance(signal, Ballot)}, key=str)


def scorers(needs: Collection[Signal]) -> list[Scorer]:
    """Return the models that have to be there, in the same order in every process."""
    found = {scoring.scorer for scoring in scorings(needs)}
    teacher = {Scorer.EMA for ballot in ballots(needs) if ballot.voters is Voters.EMA}
    return sorted(found | teacher)


def prompt_for(row: Mapping[str, Any], voters: Voters) -> Prompt:
    """Return what voters are asked: the row's prompt, or the same problem in other words.

    Raises:
        UserError: the data set does not have it in other words.
    """
    if voters is not Voters.REPHRASED:
        return row["prompt"]
    if REPHRASED_COLUMN not in row:
        raise UserError(
            f"A reward votes on rephrased prompts, but the data set has no column '{REPHRASED_COLUMN}'.",
            f'Add the column, or vote with a teacher: judges = "{Voters.EMA.value}".',
        )
    return row[REPHRASED_COLUMN]
