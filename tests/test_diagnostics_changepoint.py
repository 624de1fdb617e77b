"""Change points: shifts are found, the p-value holds for looks at every step, damage does no harm."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from scipy import stats

from rlif.diagnostics.changepoint import long_run_noise, shift, without_spikes
from rlif.diagnostics.onset import onset
from rlif.diagnostics.series import Series

Make = Callable[[np.random.Generator, int], np.ndarray]


def white(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.normal(size=n)


def autocorrelated(rng: np.random.Generator, n: int) -> np.ndarray:
    values = white(rng, n + 20)
    for i in range(1, n + 20):
        values[i] += 0.5 * values[i - 1]
    return values[20:]


def heavy_tailed(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.standard_t(3, n)


def rare(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.binomial(48, 0.01, n) / 48


def test_z_by_hand() -> None:
    """Level 0 then 2, ten values each, alternating by ±0.5, so that every difference but one is ±1.

    σ² = mean(d²)/2 = (18 · 1 + 1 · 3²)/19/2; z = 2 / σ · √(10 · 10 / 20) = 5.3, which with σ known from 20
    values only is as rare as 3.8 standard deviations.
    """
    values = np.tile([0.5, -0.5], 10) + np.repeat([0.0, 2.0], 10)
    sigma = math.sqrt(27 / 19 / 2)
    assert long_run_noise(values) == pytest.approx(sigma)  # neighbours are unlike: no inflation
    found = shift(values)
    raw = 2 / sigma * math.sqrt(5)
    assert found.z == pytest.approx(stats.norm.isf(stats.t.sf(raw, 2 * 19 / 3)))
    assert found.p == pytest.approx(80 * 0.5 * math.erfc(found.z / math.sqrt(2)))
    assert shift(values[::-1]).z == pytest.approx(-found.z)


@pytest.mark.parametrize(
    ("make", "at_most"), [(white, 0.05), (heavy_tailed, 0.05), (rare, 0.05), (autocorrelated, 0.10)]
)
def test_looking_at_every_step_of_a_run_without_change_rarely_finds_one(make: Make, at_most: float) -> None:
    rng = np.random.default_rng(0)
    runs = [make(rng, 40) for _ in range(60)]
    found = sum(any(2 * shift(run[:n]).p <= 0.05 for n in range(6, 41, 2)) for run in runs)
    assert found / len(runs) <= at_most


@pytest.mark.parametrize("moved", [np.repeat([0.0, 3.0], 20), np.linspace(0, 5, 40)])
def test_jumps_and_drifts_are_found(moved: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        assert shift(moved + rng.normal(size=40)).p < 0.05


def test_a_single_spike_is_neither_a_shift_nor_hides_one() -> None:
    rng = np.random.default_rng(0)
    flat = rng.normal(size=40)
    flat[37] = 1e9
    assert shift(flat).p > 0.05
    assert shift(flat + np.repeat([0.0, 4.0], 20)).p < 0.01


def test_a_jump_that_lasts_is_no_spike() -> None:
    values = np.random.default_rng(0).normal(size=20) + np.repeat([0.0, 50.0], 10)
    assert np.allclose(without_spikes(values), values, atol=3)


@pytest.mark.parametrize("n", [0, 1, 5])
def test_too_few_values_say_nothing(n: int) -> None:
    found = shift(np.arange(n, dtype=float))
    assert math.isnan(found.z)
    assert math.isnan(found.p)


@pytest.mark.parametrize("level", [0.0, 1.0, 1e15, 0.1])
def test_a_constant_has_not_moved(level: float) -> None:
    assert shift(np.full(30, level)).p == 1.0


@given(
    npst.arrays(float, st.integers(6, 40), elements=st.floats(-1000, 1000, width=16)),
    st.floats(0.5, 100),
    st.floats(-100, 100),
)
def test_scale_and_origin_do_not_matter_and_direction_does(
    values: np.ndarray, scale: float, origin: float
) -> None:
    found, moved = shift(values), shift(scale * values + origin)
    assert 0 <= found.p <= 1
    if np.ptp(values) > 1e-3:  # otherwise the origin rounds it away
        assert moved.p == pytest.approx(found.p, rel=1e-3, abs=1e-12)
    assert shift(-values).p == pytest.approx(found.p)


# Onset


def stepping(values: np.ndarray) -> Series:
    return Series(np.arange(1, len(values) + 1) * 10, values)


def test_the_onset_is_the_first_step_of_the_last_stretch_outside() -> None:
    values = np.array([5.0, 5, 1, 1, 5, 5, 1, 1, 1, 1])
    found = onset(stepping(values), 2.0, math.inf, width=1)
    assert found is not None
    assert found.step == 70  # not 30: it came back


def test_no_onset_when_it_is_inside_at_the_end() -> None:
    assert onset(stepping(np.array([5.0, 1, 1, 1, 5])), 2.0, math.inf, width=1) is None


def test_the_interval_of_an_onset_is_narrow_for_a_jump_and_wide_for_a_drift() -> None:
    noise = np.random.default_rng(0).normal(size=60)
    jump = onset(stepping(np.repeat([100.0, 50.0], 30) + noise), 75, math.inf, 10)
    drift = onset(stepping(np.linspace(100, 50, 60) + 5 * noise), 75, math.inf, 10)
    assert jump is not None
    assert drift is not None
    assert jump.low <= 310 <= jump.high
    assert jump.high - jump.low <= 40
    assert drift.low <= 310 <= drift.high
    assert drift.high - drift.low > jump.high - jump.low
