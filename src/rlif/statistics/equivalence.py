"""Equivalence by two one-sided tests (Schuirmann 1987): "no difference" as a finding, not a failure to find.

H0: |δ| >= margin. Both δ <= −margin and δ >= margin are tested at level α, and the larger p-value counts: the
same as asking whether the interval of level 1 − 2α (90% for α = 5%) lies within ± margin. The margin is the
largest difference that would not matter; state it before looking.
"""

import math
from dataclasses import dataclass

from rlif.errors import UserError
from rlif.statistics.estimate import Estimate

ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class Equivalence:
    """The answer.

    Attributes:
        interval: of level 1 − 2α. margin: in its units.
        p_value: of H0 "they differ by the margin or more"; NaN where the interval is undefined.
        equivalent: p_value < α, and so: interval within ± margin. not_above: only δ < margin is shown
            (non-superiority), at level α.
    """

    interval: Estimate
    margin: float
    p_value: float
    equivalent: bool
    not_above: bool


def equivalence(difference: Estimate, margin: float, alpha: float = ALPHA) -> Equivalence:
    """Test whether a difference lies within ± margin.

    Args:
        difference: from a t-based method (`crossed`, `runs`), at any level.
        margin: > 0, in the units of the difference.
        alpha: error rate of the test.

    Raises:
        UserError: the margin is not positive.
        ValueError: the difference comes from a method without standard error.
    """
    if not margin > 0:
        raise UserError(f"The margin of an equivalence test must be positive; got {margin}.")
    if math.isnan(difference.standard_error) and not math.isnan(difference.low):
        raise ValueError(f"'{difference.method}' has no standard error to test with")
    below, above = difference.p_below(margin), difference.p_above(-margin)
    p_value = below if math.isnan(below) else max(below, above)
    return Equivalence(difference.at(1 - 2 * alpha), margin, p_value, p_value < alpha, below < alpha)
