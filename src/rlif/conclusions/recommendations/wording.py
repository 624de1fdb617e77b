"""Numbers and names as sentences write them, and what numbers are counted in."""

import math
from collections.abc import Sequence
from enum import StrEnum

from rlif.conclusions.claims import Rules
from rlif.statistics.estimate import LEVEL, Estimate


class Unit(StrEnum):
    """What an effect is counted in; everything but a correlation is a hundred times the fraction."""

    POINTS = "points of pass@1"
    POINTS_A_DOUBLING = "points of pass@1 for each doubling"
    PERCENT = "percent"
    CORRELATION = "rank correlation"

    @property
    def scale(self) -> float:
        """Factor from fractions of one to this unit."""
        return 1.0 if self is Unit.CORRELATION else 100.0


def written(estimate: Estimate, unit: Unit = Unit.POINTS) -> str:
    """Return "+3.1 [+0.2, +6.0] points", with the level of the interval where it is not 95%."""
    numbers = (estimate.estimate, estimate.low, estimate.high)
    value, low, high = (number(x, unit) for x in numbers)
    suffix = {Unit.PERCENT: "%", Unit.CORRELATION: ""}.get(unit, " points")
    level = "" if math.isclose(estimate.level, LEVEL) else f" ({100 * estimate.level:.3g}% interval)"
    return f"{value} [{low}, {high}]{suffix}{level}"


def number(value: float, unit: Unit = Unit.POINTS) -> str:
    """Return "+3.1" points, "79" percent, "-0.72"."""
    if math.isnan(value):
        return "–"
    formats = {Unit.PERCENT: ".0f", Unit.CORRELATION: "+z.2f"}
    return format(unit.scale * value, formats.get(unit, "+z.1f"))


def listed(names: Sequence[str], last: str = "or") -> str:
    """Return "a", "a or b", "a, b or c"."""
    *first, end = names
    return f"{', '.join(first)} {last} {end}" if first else end


def sentences(*parts: str) -> str:
    """Return the sentences that are not empty, in one line."""
    return " ".join(part for part in parts if part)


def may_be_small(estimate: Estimate, rules: Rules) -> str:
    """Return the caveat that an effect above 0 may still be below the margin; "" where it is not."""
    if estimate.low >= rules.pass_at_1:
        return ""
    return f"An effect under {100 * rules.pass_at_1:g} points is not ruled out."
