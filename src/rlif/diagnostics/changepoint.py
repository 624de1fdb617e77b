"""Has the level of a noisy signal shifted? A two-sided change-point scan whose p-value stands repeated looks.

For every split of n values into the first t and the rest (Sen and Srivastava 1975; the generalised likelihood
ratio of a shift in mean, level before and after both unknown):

    z_t = (mean after − mean before) / σ · √(t (n − t) / n)          z = the z_t of largest size

A slow drift shows too, with 87% of the z that a test made for straight lines would give it.

σ comes from successive differences d (von Neumann), so the shift itself does not count as noise:
σ² = mean(d²) / 2; spikes of a step or two are taken out first. Where neighbours are alike, they say less than
independent ones: with ρ the lag-1 autocorrelation, also from differences (r_d = −(1 − ρ)/2) and not under 0,
σ becomes σ √(1 + ρ) / (1 − ρ). A memory (1 + ρ)/(1 − ρ) of more than √n / 2 steps cannot be told from a drift
and is not assumed. Student's t with 2(n − 1)/3 degrees of freedom, the precision of σ, turns z into a normal
deviate.

The p-value is p = R(n) · Φ(−|z|), with R(n) = max(40, n)² / 20. It allows for looking after every step,
however long the run gets to be: R(n) grows so fast that the chance of p ≤ α at *any* look stays under α for
white noise (a constant boundary needs R ≈ n by simulation from n = 40 on; twice n²/40 leaves something for
every longer run). Siegmund and Venkatraman (1995) study the rule with a constant boundary.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri, stdtr

from rlif.diagnostics.series import Floats

LEAST = 3
"""Values on either side of a split."""

SPIKE = 4.0
"""Standard deviations from the median of five neighbours beyond which a value is a spike."""


@dataclass(frozen=True, slots=True)
class Shift:
    """The clearest shift of a signal: z as a normal deviate, positive for a rise; its p-value for this
    direction.

    NaN: too short to say.
    """

    z: float = math.nan
    p: float = math.nan


def shift(values: Floats) -> Shift:
    """Return the clearest shift in a signal [n]; undefined for fewer than 2 · LEAST values.

    A constant signal has z = 0 and p = 1.
    """
    n = len(values)
    if n < 2 * LEAST:
        return Shift()
    values = without_spikes(values)
    splits = np.arange(LEAST, n - LEAST + 1)
    sums = np.cumsum(values)
    before, after = sums[splits - 1] / splits, (sums[-1] - sums[splits - 1]) / (n - splits)
    moved = (after - before) * np.sqrt(splits * (n - splits) / n)
    largest = float(moved[np.argmax(np.abs(moved))])
    sigma = long_run_noise(values)
    if sigma <= 1e-12 * float(np.abs(values).max()):  # rounding aside, constant
        return Shift(0.0, 1.0)
    z = math.copysign(_normal(abs(largest) / sigma, n), largest)
    return Shift(z, min(1.0, max(40, n) ** 2 / 20 * float(ndtr(-abs(z)))))


def without_spikes(values: Floats) -> Floats:
    """Return the values [n] with those of one or two steps that stick out replaced by their neighbours'
    median.

    A lasting jump is left alone: the median of five neighbours follows it.
    """
    scale = float(np.median(np.abs(np.diff(values)))) / 0.6745 / math.sqrt(2)
    if scale == 0:
        return values
    neighbours = np.lib.stride_tricks.sliding_window_view(np.pad(values, 2, mode="reflect"), 5)
    middle = np.median(neighbours, axis=1)
    return np.where(np.abs(values - middle) > SPIKE * scale, middle, values)


def long_run_noise(values: Floats) -> float:
    """Return the standard deviation that means of n values have, times √n: noise with its autocorrelation."""
    differences = np.diff(values)
    sigma = math.sqrt(float(np.mean(differences**2)) / 2)
    centred = differences - differences.mean()
    power = float(centred @ centred)
    if power == 0:
        return sigma
    found = 1 + 2 * float(centred[1:] @ centred[:-1]) / power
    memory = max(1.0, math.sqrt(len(values)) / 2)
    rho = min(max(0.0, found), (memory - 1) / (memory + 1))
    return sigma * math.sqrt(1 + rho) / (1 - rho)


def _normal(t: float, n: int) -> float:
    """Return the normal deviate as improbable as t, with σ estimated from n values."""
    tail = float(stdtr(2 * (n - 1) / 3, -t))
    return -float(ndtri(tail)) if tail > 0 else t
