"""Rewards: one file each, pure functions from a `RolloutGroup` to one score a completion. No torch here.

A new reward is one file, one line in `AnyReward`, a hand-computed test and a row in docs/rewards.md.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, get_args

from pydantic import Field, ValidationError

from rlif.errors import UserError, did_you_mean
from rlif.rewards.base import Need, Reward, Scores
from rlif.rewards.functional_majority import FunctionalMajority
from rlif.rewards.random import Random
from rlif.rewards.self_certainty import SelfCertainty
from rlif.rewards.token_entropy import TokenEntropy
from rlif.rewards.trajectory_logprob import TrajectoryLogprob
from rlif.rewards.unit_tests import UnitTests

AnyReward = Annotated[
    SelfCertainty
    | TokenEntropy
    | TrajectoryLogprob
    | FunctionalMajority
    | UnitTests
    | Random,
    Field(discriminator="type"),
]  # fmt: skip
"""Every reward there is, told apart by `type`: a configuration field of this type accepts any of them."""

ALL_REWARDS: dict[str, type[Reward]] = {
    reward.model_fields["type"].default: reward for reward in get_args(get_args(AnyReward)[0])
}
"""type -> class, for each reward of `AnyReward` and in its order."""

__all__ = [
    "ALL_REWARDS",
    "AnyReward",
    "FunctionalMajority",
    "Need",
    "Random",
    "Reward",
    "Scores",
    "SelfCertainty",
    "TokenEntropy",
    "TrajectoryLogprob",
    "UnitTests",
    "needed",
    "parse_reward",
]


def needed(rewards: Iterable[Reward]) -> frozenset[Need]:
    """Return every signal that at least one of the rewards needs."""
    return frozenset().union(*(reward.needs for reward in rewards))


def parse_reward(spec: str | Mapping[str, object]) -> Reward:
    """Return the reward that a configuration describes: its type alone, or a table of type and options.

    Raises:
        UserError: no or an unknown type, an unknown option, a value that does not fit; says what would.
    """
    table = {"type": spec} if isinstance(spec, str) else dict(spec)
    name = table.get("type")
    if not isinstance(name, str):
        raise UserError(f"A reward needs a type; got {table}.", f"Known: {', '.join(sorted(ALL_REWARDS))}.")
    if name not in ALL_REWARDS:
        raise UserError(f"There is no reward '{name}'.", did_you_mean(name, ALL_REWARDS))
    options = ALL_REWARDS[name].model_fields
    for option in table:
        if option not in options:
            raise UserError(f"Reward '{name}' has no option '{option}'.", did_you_mean(option, options))
    try:
        return ALL_REWARDS[name].model_validate(table)
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, e['loc']))} = {e['input']!r}: {e['msg']}" for e in error.errors()]
        raise UserError(f"Reward '{name}' cannot be made: {'; '.join(problems)}.") from None
