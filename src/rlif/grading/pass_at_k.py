"""pass@k: the chance that at least one of k samples passes (Chen et al. 2021, arXiv 2107.03374, equation 1).

    pass@k = E_problems[ 1 − C(n − c, k) / C(n, k) ]

with n samples of a problem of which c pass: the unbiased estimator, not the share of problems solved by the
first k samples. It is undefined for k > n.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlif.statistics.bootstrap import mean_over_problems


def pass_at_k(samples: int, correct: int, k: int) -> float:
    """Return the estimate for one problem; NaN for k > samples."""
    if not 0 <= correct <= samples or k < 1:
        raise ValueError(f"need 0 <= correct <= samples and k >= 1; got {correct=}, {samples=}, {k=}")
    if k > samples:
        return math.nan
    return 1.0 - math.comb(samples - correct, k) / math.comb(samples, k)


def defined_ks(samples: int) -> list[int]:
    """Return the k worth reporting for that many samples: 1, 2, 4, 8, … and the number itself."""
    return sorted({2**i for i in range(samples.bit_length())} | ({samples} if samples else set()))


def bootstrap_ci(
    per_problem_values: Sequence[float] | NDArray[Any], seed: int = 0, level: float = 0.95
) -> tuple[float, float]:
    """Return the percentile bootstrap interval of the mean over problems (Efron & Tibshirani 1993).

    Where every problem is at 0, or every one at 1, all resamples are alike and the bootstrap would claim
    certainty: the interval is then the exact binomial one (Clopper & Pearson 1934), 0 to .071 for 0 of 50.

    per_problem_values: one share a problem, [P]. The interval is (NaN, NaN) for no problems or any NaN.
    """
    shares = set(map(float, per_problem_values))
    if shares in ({0.0}, {1.0}):
        reach = 1 - ((1 - level) / 2) ** (1 / len(per_problem_values))
        return (0.0, reach) if shares == {0.0} else (1 - reach, 1.0)
    found = mean_over_problems(np.asarray(per_problem_values, dtype=float), level, seed)
    return found.low, found.high
