"""Rewards: one file each, pure functions from a `RolloutGroup` to one score a completion. No torch here.

A new reward is one file, one line in `rlif.rewards.leaves.Leaf`, a hand-computed test and a row in
docs/rewards.md.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated

from pydantic import Field

from rlif.rewards.alternation import Alternation
from rlif.rewards.base import Need, Reward, Scores, Signal
from rlif.rewards.cluster_certainty import ClusterCertainty
from rlif.rewards.co_rewarding import CoRewarding
from rlif.rewards.combination import Breakdown, Combination, Part
from rlif.rewards.constant import Constant
from rlif.rewards.format import Format
from rlif.rewards.functional_majority import FunctionalMajority
from rlif.rewards.leaves import LEAVES, Leaf, parse, types_of
from rlif.rewards.length import Length
from rlif.rewards.majority_vote import MajorityVote
from rlif.rewards.mean_probability import MeanProbability
from rlif.rewards.mixture import Mixture
from rlif.rewards.normalise import Normalised, z_scores
from rlif.rewards.probability import Probability
from rlif.rewards.probability_margin import ProbabilityMargin
from rlif.rewards.random import Random
from rlif.rewards.rlsc import RLSC
from rlif.rewards.schedule import Schedule
from rlif.rewards.self_certainty import SelfCertainty
from rlif.rewards.self_verification import SelfVerification
from rlif.rewards.semantic_entropy import SemanticEntropy
from rlif.rewards.token_entropy import TokenEntropy
from rlif.rewards.trajectory_logprob import TrajectoryLogprob
from rlif.rewards.unit_tests import UnitTests

AnyReward = Annotated[Leaf | Mixture | Schedule | Alternation, Field(discriminator="type")]
"""Every reward there is, told apart by `type`: a configuration field of this type accepts any of them."""

ALL_REWARDS: dict[str, type[Reward]] = LEAVES | types_of(Mixture | Schedule | Alternation)
"""type -> class, for each reward of `AnyReward` and in its order."""

__all__ = [
    "ALL_REWARDS",
    "LEAVES",
    "RLSC",
    "Alternation",
    "AnyReward",
    "Breakdown",
    "ClusterCertainty",
    "CoRewarding",
    "Combination",
    "Constant",
    "Format",
    "FunctionalMajority",
    "Leaf",
    "Length",
    "MajorityVote",
    "MeanProbability",
    "Mixture",
    "Need",
    "Normalised",
    "Part",
    "Probability",
    "ProbabilityMargin",
    "Random",
    "Reward",
    "Schedule",
    "Scores",
    "SelfCertainty",
    "SelfVerification",
    "SemanticEntropy",
    "Signal",
    "TokenEntropy",
    "TrajectoryLogprob",
    "UnitTests",
    "needed",
    "parse_reward",
    "z_scores",
]


def needed(rewards: Iterable[Reward]) -> frozenset[Signal]:
    """Return every signal that at least one of the rewards needs, as they are configured."""
    return frozenset[Signal]().union(*(reward.signals() for reward in rewards))


def parse_reward(spec: str | Mapping[str, object]) -> Reward:
    """Return the reward that a configuration describes: its type alone, or a table of type and options.

    Raises:
        UserError: no or an unknown type, an unknown option, a value that does not fit; says what would.
    """
    return parse(spec, ALL_REWARDS)
