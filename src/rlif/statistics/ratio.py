"""A ratio of two means over seeds and problems, with Fieller's interval (1954).

    {ρ : the interval of mean(x) − ρ · mean(y) contains 0}

from the crossed random effects of `rlif.statistics.crossed`, so that shared problems count once. It is
bounded only where mean(y) itself is shown to differ from 0; elsewhere all is NaN: no ratio can be told.
"""

from collections.abc import Callable
from typing import Any

from scipy.optimize import brentq

from rlif.statistics import crossed
from rlif.statistics.crossed import Floats
from rlif.statistics.estimate import LEVEL, Estimate

METHOD = "Fieller, crossed random effects"


def ratio(first: Floats, second: Floats, level: float = LEVEL) -> Estimate:
    """Return mean(first) / mean(second); NaN unless the second is surely above 0.

    Args:
        first: scores [S1, P].
        second: scores [S2, P]; column p is the same problem as in the first.
        level: of the interval.
    """
    if not (crossed.mean(second, level).low > 0 and len(first) > 1):
        return Estimate(level=level, method=METHOD)

    def gap(rho: float) -> Estimate:
        return crossed.difference(first, rho * second, level=level)

    value = float(first.mean() / second.mean())
    low = _root(lambda rho: gap(rho).low, value, -1)
    high = _root(lambda rho: gap(rho).high, value, 1)
    return Estimate(value, low, high, level, METHOD)


def _root(edge: Callable[[float], float], start: float, way: int) -> float:
    """Return where an edge of the interval crosses 0, going down (−1) or up (+1) from the estimate."""
    if way * edge(start) <= 0:  # no spread at all
        return start
    width = 1.0
    while way * edge(start + way * width) > 0:
        width *= 2
    root: Any = brentq(edge, start, start + way * width)
    return float(root)
