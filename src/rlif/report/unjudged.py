"""The first screen for rewards that no test judged: what their signals say, and that they cannot say more.

Whether to use such a reward cannot be known. A step beyond which not to train can: that at which the first
signal left its healthy range. None is no promise, only that nothing was seen.
"""

from dataclasses import dataclass

from rlif.diagnostics import Alarm, Findings, ModeFinding, Trend
from rlif.diagnostics.evidence import NAMES, reading, since
from rlif.records import Role
from rlif.report.arms import Arm
from rlif.report.costs import Cost, cost
from rlif.report.load import Study

SHOWN = {"length_mean": "Length (tokens)", "reasoning_share": "Reasoning", "entropy": "Entropy (nats)"}
"""Signals in the table -> their column."""


@dataclass(frozen=True, slots=True)
class Unjudged:
    """What is known of one reward.

    Attributes:
        until: the step at which the first signal left its healthy range, with its interval; "" without one.
        reason: which signals did, or why none is named.
        signals: value at the start → at the end, in the order of `SHOWN`; "–" where not recorded.
    """

    arm: Arm
    until: str
    reason: str
    signals: tuple[str, ...]
    cost: Cost


def unjudged(study: Study) -> list[Unjudged]:
    """Return each central reward without tests that no held-out test judged; those that alarm first."""
    arms = [arm for arm in study.with_role(Role.INTRINSIC) if arm.findings.performance is None]
    return sorted((_of(arm) for arm in arms), key=lambda found: not found.until)


def _of(arm: Arm) -> Unjudged:
    f = arm.findings
    until, reason = "", "too few steps, or no signal recorded"
    if (first := _first_alarm(f)) is not None:
        until = since(first)
        reason = ", ".join(NAMES.get(name, name) for name in first.signals)
        reason = f"{first.mode.replace('_', ' ')}: {reason}"
    elif f.alarm is Alarm.QUIET:
        reason = f"no signal left its healthy range in {f.last_step} steps"
    if f.verdict_source == "training pass rate":
        reason += f"; {NAMES['pass_rate']} in training {_moved('pass_rate', f.trends['pass_rate'])}"
    signals = tuple(_moved(name, f.trends.get(name)) for name in SHOWN)
    return Unjudged(arm, until, reason, signals, cost(arm))


def _first_alarm(f: Findings) -> ModeFinding | None:
    """Return the first mode with a signal that alarms; reward hacking seen by tests has none."""
    alarming = {signal.name for signal in (*f.trends.values(), *f.probe.values()) if signal.alarming}
    return next((mode for mode in f.modes if alarming.intersection(mode.signals)), None)


def _moved(name: str, trend: Trend | None) -> str:
    return "–" if trend is None else f"{reading(name, trend.start)} → {reading(name, trend.end)}"
