"""Z-scores within a group: what makes rewards of different scales addable.

    z_i = (r_i − mean_j r_j) / std_j r_j,   over the completions whose reward is a number

Within a group, self-certainties may lie 0.001 apart where summed log-probabilities lie 100 apart; a raw sum
is the one with the larger scale and nothing else. (GDPO and arXiv 2605.22620 normalise each reward so.)
"""

from dataclasses import dataclass

import numpy as np

from rlif.rewards.base import Scores

_NOISE = 1e-6
"""Relative spread that counts as none: float32 rounding must not be blown up to unit variance."""


@dataclass(frozen=True, slots=True)
class Normalised:
    """A reward of one group on a common scale.

    Attributes:
        values: [G] z-scores: mean 0, standard deviation 1 (population); NaN where the reward is.
        zero_variance: all rewards that are numbers are equal; their values are 0, since none is better.
    """

    values: Scores
    zero_variance: bool


def z_scores(scores: Scores) -> Normalised:
    """Return the z-scores of rewards [G]; NaN stays NaN and does not count.

    Raises:
        ValueError: an infinite reward, which has no z-score.
    """
    if np.isinf(scores).any():
        raise ValueError(f"rewards must be numbers or NaN to be normalised; got {scores}")
    known = scores[~np.isnan(scores)]
    if not known.size:
        return Normalised(np.full(len(scores), np.nan), zero_variance=False)
    if np.ptp(known) <= _NOISE * np.abs(known).max():
        return Normalised(np.where(np.isnan(scores), np.nan, 0.0), zero_variance=True)
    return Normalised((scores - known.mean()) / known.std(), zero_variance=False)
