"""`Estimate`: a number with its interval, and what is needed to test it."""

import math
from dataclasses import dataclass

from scipy.special import stdtr, stdtrit

LEVEL = 0.95
NAN = math.nan


@dataclass(frozen=True, slots=True)
class Estimate:
    """A point estimate with a confidence interval; whatever is undefined is NaN.

    Attributes:
        estimate, low, high: in the units of what is estimated.
        level: coverage the interval aims at. method: what made it, in words.
        standard_error, df: of methods whose interval is estimate ± t(df) · standard_error; NaN of others,
            which can be neither tested nor taken to another level.
    """

    estimate: float = NAN
    low: float = NAN
    high: float = NAN
    level: float = LEVEL
    method: str = ""
    standard_error: float = NAN
    df: float = NAN

    def at(self, level: float) -> "Estimate":
        """Return the same estimate with an interval of another level (t-based methods only)."""
        return t_estimate(self.estimate, self.standard_error, self.df, self.method, level)

    def p_above(self, null: float = 0.0) -> float:
        """Return the one-sided p-value of H0: value <= null; small when the value lies above."""
        if self.standard_error == 0:  # no spread at all: certain either way, and undecided on the line
            return 0.5 if self.estimate == null else float(self.estimate < null)
        return float(stdtr(self.df, -(self.estimate - null) / self.standard_error))

    def p_below(self, null: float = 0.0) -> float:
        """Return the one-sided p-value of H0: value >= null."""
        return (-self).p_above(-null)

    def p_value(self, null: float = 0.0) -> float:
        """Return the two-sided p-value of H0: value = null."""
        return 2 * min(self.p_above(null), self.p_below(null))

    def __neg__(self) -> "Estimate":
        return Estimate(
            -self.estimate, -self.high, -self.low, self.level, self.method, self.standard_error, self.df
        )


def t_estimate(
    estimate: float, standard_error: float, df: float, method: str, level: float = LEVEL
) -> Estimate:
    """Return estimate ± t_(1 + level)/2(df) · standard_error."""
    half = 0.0 if standard_error == 0 else float(stdtrit(df, (1 + level) / 2)) * standard_error
    return Estimate(estimate, estimate - half, estimate + half, level, method, standard_error, df)
