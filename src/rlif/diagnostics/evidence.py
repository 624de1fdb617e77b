"""The sentences of a diagnosis: one for each thing found, each with its numbers."""

import math

from rlif.diagnostics.findings import (
    Collapse,
    Direction,
    Findings,
    Gap,
    Interval,
    ModeFinding,
    Performance,
    ProbeTrend,
    Trend,
)
from rlif.diagnostics.signals import SIGNALS

NAMES = {name: signal.words for name, signal in SIGNALS.items()}
"""Signal -> its name in a sentence."""

SHARES = frozenset(name for name, signal in SIGNALS.items() if signal.is_share)
"""Signals that people read as percentages."""


def evidence(found: Findings) -> list[str]:
    """Return the sentences for everything in the findings but the verdict words themselves."""
    lines: list[str] = []
    if found.performance is not None:
        lines += _performance(found.performance)
    lines += _collapse(found.collapse)
    lines += [_probe(trend) for trend in found.probe.values() if trend.direction is not Direction.STEADY]
    moved = [trend for trend in found.trends.values() if trend.direction in (Direction.UP, Direction.DOWN)]
    lines += [_trend(trend) for trend in sorted(moved, key=lambda trend: not trend.alarming)]
    lines += [_starved(t) for t in found.trends.values() if t.alarming and t.direction is Direction.STEADY]
    lines += [_gap(gap) for gap in found.gaps if gap.diverged]
    return lines


def percent(share: float) -> str:
    """Return a fraction of one as a percentage: 0.4123 -> "41.2%"; "–" when undefined."""
    return "–" if math.isnan(share) else f"{100 * share:.1f}%"


def points(interval: Interval) -> str:
    """Return a difference of shares in percentage points with its interval."""
    # Adding 0.0 after rounding turns −0.0 into 0.0.
    estimate, low, high = (round(100 * x, 1) + 0.0 for x in (interval.estimate, interval.low, interval.high))
    span = "no interval" if math.isnan(low) else f"95% interval {low:+.1f} to {high:+.1f}"
    return f"{estimate:+.1f} points ({span})".replace("-", "−")


def number(value: float) -> str:
    """Return a number with three significant digits; "–" when undefined."""
    if math.isnan(value):
        return "–"
    return (f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}").replace("-", "−")


def reading(name: str, value: float) -> str:
    """Return a value of a signal as people read it: shares as percentages."""
    return percent(value) if name in SHARES else number(value)


def since(t: Trend | ModeFinding) -> str:
    """Return the step of an onset with its interval: "19 (17 to 22)"."""
    known = t.onset_low is not None and t.onset_low != t.onset_high
    return f"{t.onset} ({t.onset_low} to {t.onset_high})" if known else str(t.onset)


def _performance(p: Performance) -> list[str]:
    def score(at: str) -> str:
        return percent(getattr(getattr(p, at), p.mode).estimate)

    judged = f", {p.problems} problems × {p.samples}" if p.problems else ""  # others' logs do not say
    lines = [
        f"Held-out pass@1 ({p.mode}{judged}): {score('start')} at step "
        f"{p.start.step}, best {score('peak')} at step {p.peak_step}, {score('end')} at step {p.end.step}."
    ]
    if not math.isnan(p.change.low):
        lines.append(f"Start to peak: {points(p.gain)}; peak to end: {points(-p.drop)}.")
        lines.append(f"Start to end: {points(p.change)}.")
    return lines


def _collapse(c: Collapse) -> list[str]:
    lines: list[str] = []
    if c.accuracy_step is not None:
        lines.append(f"Under 1% of the answers are right for the first time at step {c.accuracy_step}.")
    if c.decline_step is not None:
        lines.append(f"Smoothed held-out pass@1 falls after step {c.decline_step}.")
    return lines


def _trend(t: Trend) -> str:
    return f"The {_moved(t)}{_outside(t)}."


def _probe(t: ProbeTrend) -> str:
    p = "p < 0.0001" if t.p < 1e-4 else f"p = {t.p:.2g}"
    return f"On the same {t.problems} problems the {_moved(t)} by step {t.step}, {p}{_outside(t)}."


def _moved(t: Trend) -> str:
    verb = "rose" if t.direction is Direction.UP else "fell"
    ratio = f" (×{t.ratio:.2f})" if t.start > 0 and t.end > 0 else ""
    return f"{NAMES[t.name]} {verb} from {reading(t.name, t.start)} to {reading(t.name, t.end)}{ratio}"


def _outside(t: Trend) -> str:
    return f", outside its healthy range from step {since(t)} on" if t.alarming else ""


def _starved(t: Trend) -> str:
    return f"The {NAMES[t.name]} is {percent(t.end)}: little is left to learn from."


def _gap(g: Gap) -> str:
    where = f" in stage '{g.stage}'" if g.stage else ""
    return (
        f"From step {g.from_step} to {g.to_step}{where} the reward rose by {number(g.reward_change)} while "
        f"{g.source} fell by {100 * -g.truth_change:.1f} points: more reward, fewer right answers."
    )
