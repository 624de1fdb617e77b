"""How a run collapses: its alarming signals gathered into modes, ordered by onset.

Each signal says in `signals` which mode it is to leave its range below or above. Reward hacking takes two:

- with tests, a `Gap` that diverged: the reward rose while the truth fell;
- without, the reward rose while agreement within groups left its range below (the consensus of a group is the
  best label-free stand-in for the truth), or while programs with one output for all inputs spread. Where the
  reward does not rise, the first is scatter and the second breakage, not hacking.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

from rlif.diagnostics.findings import (
    Alarm,
    Direction,
    Findings,
    Gap,
    Mode,
    ModeFinding,
    ProbeTrend,
    Trend,
    Verdict,
)
from rlif.diagnostics.signals import SIGNALS

_HACKED = ("majority_share", "constant_output")
"""Signals that show reward hacking when the reward rises."""

_WORSE = (Verdict.COLLAPSED, Verdict.WORSENED, Verdict.IMPROVED_THEN_FELL)


def modes(
    found: Mapping[str, Trend], probe: Mapping[str, ProbeTrend], gaps: Sequence[Gap]
) -> list[ModeFinding]:
    """Return every mode that shows, by onset.

    Args:
        found: signals of training steps, by name.
        probe: signals of the evaluations' fixed problems, by name.
        gaps: between reward and truth.
    """
    by_mode: dict[Mode, list[Trend]] = {}
    for trend in (*found.values(), *probe.values()):
        if trend.alarming:
            by_mode.setdefault(_mode(trend, found), []).append(trend)
    shown = {mode: _shown(mode, alarming) for mode, alarming in by_mode.items()}
    for gap in gaps:
        if gap.diverged:
            shown.setdefault(Mode.REWARD_HACKING, _hacking(gap))
    return sorted(shown.values(), key=lambda finding: finding.onset)


def first_mode(found: Findings) -> Mode:
    """Return the first mode; UNDECIDED with too little to say, or where it got worse and none shows how."""
    if found.modes:
        return found.modes[0].mode
    quiet = found.alarm is Alarm.QUIET and found.verdict not in _WORSE
    return Mode.NONE if quiet else Mode.UNDECIDED


def _mode(trend: Trend, found: Mapping[str, Trend]) -> Mode:
    signal = SIGNALS[trend.name]
    if trend.name in _HACKED and _rose(found.get("reward")):
        return Mode.REWARD_HACKING
    # One that alarms by its level alone may not have moved; such ranges have no lower end.
    return signal.below if trend.change < 0 and signal.below is not Mode.NONE else signal.above


def _rose(trend: Trend | None) -> bool:
    return trend is not None and trend.direction is Direction.UP


def _shown(mode: Mode, alarming: Sequence[Trend]) -> ModeFinding:
    first = min(alarming, key=lambda trend: trend.onset or 0)
    return ModeFinding(
        mode=mode,
        onset=first.onset or 0,
        onset_low=first.onset_low or 0,
        onset_high=first.onset_high or 0,
        confidence=_confidence(trend for trend in alarming if not SIGNALS[trend.name].level),
        signals=list(dict.fromkeys(trend.name for trend in alarming)),  # the probe's bear the same names
    )


def _confidence(tested: Iterable[Trend]) -> float:
    return 1 - min((trend.p for trend in tested), default=math.nan)


def _hacking(gap: Gap) -> ModeFinding:
    """Return reward hacking seen by tests: it began somewhere within the span compared."""
    return ModeFinding(
        mode=Mode.REWARD_HACKING,
        onset=gap.from_step,
        onset_low=gap.from_step,
        onset_high=gap.to_step,
        signals=["reward"],
    )
