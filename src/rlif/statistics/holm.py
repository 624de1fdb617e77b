"""Holm's correction (1979) of a family of p-values, against finding something by asking often.

Sorted p_(1) <= … <= p_(m):     adjusted p_(i) = max_{j <= i} min(1, (m − j + 1) p_(j))

Rejecting where adjusted p < α keeps the chance of any false finding in the family at α or less, however the
tests depend on each other. Never less powerful than Bonferroni.
"""

from collections.abc import Sequence

import numpy as np


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the adjusted p-values in the order given. A NaN (a test that could not be made) stays NaN, and
    still counts as a member of the family: it was asked.
    """
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p)  # NaN last
    steps = np.minimum(1.0, p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.maximum.accumulate(steps)
    return [float(value) for value in adjusted]
