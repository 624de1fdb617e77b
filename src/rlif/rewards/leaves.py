"""`Leaf`: every reward that is computed from a group alone, and how configurations become rewards.

A new reward gets one line in the union.
"""

from collections.abc import Mapping
from typing import get_args

from pydantic import ValidationError

from rlif.errors import UserError, did_you_mean
from rlif.rewards.base import Reward
from rlif.rewards.cluster_certainty import ClusterCertainty
from rlif.rewards.co_rewarding import CoRewarding
from rlif.rewards.constant import Constant
from rlif.rewards.format import Format
from rlif.rewards.functional_majority import FunctionalMajority
from rlif.rewards.length import Length
from rlif.rewards.majority_vote import MajorityVote
from rlif.rewards.mean_probability import MeanProbability
from rlif.rewards.probability import Probability
from rlif.rewards.probability_margin import ProbabilityMargin
from rlif.rewards.random import Random
from rlif.rewards.rlsc import RLSC
from rlif.rewards.self_certainty import SelfCertainty
from rlif.rewards.self_verification import SelfVerification
from rlif.rewards.semantic_entropy import SemanticEntropy
from rlif.rewards.token_entropy import TokenEntropy
from rlif.rewards.trajectory_logprob import TrajectoryLogprob
from rlif.rewards.unit_tests import UnitTests

Leaf = (
    SelfCertainty
    | TokenEntropy
    | TrajectoryLogprob
    | Probability
    | MeanProbability
    | RLSC
    | ProbabilityMargin
    | FunctionalMajority
    | MajorityVote
    | SemanticEntropy
    | ClusterCertainty
    | CoRewarding
    | SelfVerification
    | UnitTests
    | Random
    | Length
    | Format
    | Constant
)
"""Rewards of their own; told apart by `type`."""


def types_of(union: object) -> dict[str, type[Reward]]:
    """Return type -> class for a union of rewards, in its order."""
    return {reward.model_fields["type"].default: reward for reward in get_args(union)}


LEAVES = types_of(Leaf)
"""type -> class of every `Leaf`."""


def parse(spec: object, known: Mapping[str, type[Reward]]) -> Reward:
    """Return the reward that `spec` describes: its type alone, or a table of type and options.

    Raises:
        UserError: no or an unknown type, an unknown option, a value that does not fit; says what would.
    """
    if isinstance(spec, Reward):
        return spec
    if not isinstance(spec, str | Mapping):
        raise UserError(f"A reward is a type or a table with one; got {spec!r}.", _list(known))
    table: dict[str, object] = {"type": spec} if isinstance(spec, str) else dict(spec)
    name = table.get("type")
    if not isinstance(name, str):
        raise UserError(f"A reward needs a type; got {table}.", _list(known))
    if name not in known:
        raise UserError(f"There is no reward '{name}'.", did_you_mean(name, known))
    options = known[name].model_fields
    for option in table:
        if option not in options:
            raise UserError(f"Reward '{name}' has no option '{option}'.", did_you_mean(option, options))
    try:
        return known[name].model_validate(table)
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, e['loc']))} = {e['input']!r}: {e['msg']}" for e in error.errors()]
        raise UserError(f"Reward '{name}' cannot be made: {'; '.join(problems)}.") from None


def _list(known: Mapping[str, type[Reward]]) -> str:
    return f"Known: {', '.join(sorted(known))}."
