"""The plain-language verdict. Every sentence is chosen by a finding and carries its numbers.

Nothing is claimed that an interval does not support: where it does not, the sentence says "undecided".
"""

import math
from dataclasses import dataclass

from rlif.diagnostics import Alarm, Comparison, Direction, Findings, Thresholds, Trend, Verdict
from rlif.diagnostics.evidence import NAMES, number, percent, points, reading
from rlif.records import Role
from rlif.report.arms import Arm
from rlif.report.contrast import contrast
from rlif.report.decisions import LOST, gained
from rlif.report.load import Study, Transfer

SHOWN = ("length_mean", "reasoning_share", "entropy", "truncated", "no_code", "syntax_error")


@dataclass(frozen=True, slots=True)
class Line:
    """A sentence about something, which its subject begins."""

    subject: str
    text: str

    def __str__(self) -> str:
        return f"{self.subject} {self.text}"


@dataclass(frozen=True, slots=True)
class Answer:
    """A question a reader has, and what the data answer."""

    question: str
    lines: list[Line]


def answers(study: Study) -> list[Answer]:
    """Return questions with their answers, in reading order."""
    found = [
        Answer("What became of each reward?", [outcome(arm) for arm in study.centre]),
        Answer("How did it show?", [line for arm in study.centre if (line := signs(arm)) is not None]),
        Answer(
            "Did starting without tests help the training on tests that followed?",
            [line for transfer in study.transfers for line in transfer_lines(transfer)],
        ),
        Answer(
            "Was it the reward? At the last shared evaluation, against a reward that knows nothing:",
            controlled(study),
        ),
        Answer("What to do?", advice(study)),
    ]
    return [answer for answer in found if answer.lines]


def outcome(arm: Arm) -> Line:
    """Return what became of one arm."""
    p = arm.findings.performance
    if p is None or arm.findings.verdict_source != "held-out tests":
        return Line(arm.label, _without_evaluations(arm.findings))
    start, peak, end = (percent(getattr(score, p.mode).estimate) for score in (p.start, p.peak, p.end))
    step, last = p.peak_step, p.end.step
    match arm.findings.verdict:
        case Verdict.IMPROVED:
            text = f"improved from {start} to {end} at step {last}: {points(p.change)}."
        case Verdict.IMPROVED_THEN_FELL:
            rise = f"improved from {start} to {peak} at step {step}"
            text = f"{rise}, then fell to {end}: {points(-p.drop)}."
        case Verdict.COLLAPSED:
            fall = f"collapsed from {start} (best {peak} at step {step}) to {end}"
            text = f"{fall}: {points(-p.drop)} since its best."
            dead = arm.findings.collapse.accuracy_step
            text += "" if dead is None else f" Under 1% was right for the first time at step {dead}."
        case Verdict.WORSENED:
            text = f"worsened from {start} to {end} at step {last}: {points(p.change)}."
        case Verdict.UNCHANGED:
            text = f"is unchanged, {start} to {end}: {points(p.change)}."
        case Verdict.UNDECIDED:
            text = f"is undecided, {start} to {end}: {points(p.change)}, too wide an interval to tell."
    return Line(arm.label, text + (_greedy(arm) if p.mode == "sampled" else ""))


def _greedy(arm: Arm) -> str:
    """Return how the greedy answers changed, where the sampled ones were the subject; "" if not shown to."""
    steps = [record.step for record in arm.evals if record.mode == "greedy"]
    found = contrast(arm, arm, max(steps), min(steps), mode="greedy") if len(steps) > 1 else None
    if found is None or not (found.difference.above_zero or found.difference.below_zero):
        return ""
    change = found.difference
    return f" Its greedy answers {'rose' if change.above_zero else 'fell'}: {points(change)}."


def signs(arm: Arm) -> Line | None:
    """Return how an arm that lost performance looked from outside, or what alarms in one that did not."""
    f = arm.findings
    lost = f.verdict in LOST
    moved = [
        trend
        for name in SHOWN
        if (trend := f.trends.get(name)) is not None
        and (trend.alarming or (lost and trend.direction in (Direction.UP, Direction.DOWN)))
    ]
    parts = [f"{NAMES[t.name]} {reading(t.name, t.start)} → {reading(t.name, t.end)}" for t in moved]
    told = {trend.name for trend in moved}
    probed = [trend for trend in f.probe.values() if trend.alarming and trend.name not in told]
    parts += [
        f"{NAMES[t.name]} {reading(t.name, t.start)} → {reading(t.name, t.end)} on held-out problems"
        for t in probed
    ]
    told |= {trend.name for trend in probed}
    parts += [
        f"its reward kept rising, by {number(gap.reward_change)} from step {gap.from_step} to {gap.to_step}"
        for gap in f.gaps
        if gap.diverged
    ]
    if lost:
        parts += _held_out_signs(arm, told)
    if not parts:
        return Line(arm.label, "gave no sign: no watched signal moved beyond noise.") if lost else None
    known = "is not known" if f.performance is None else "is not shown to have fallen"
    ending = "" if lost else f" (but its pass@1 {known})"
    return Line(f"{arm.label}:", f"{'; '.join(parts)}{ending}.")


def _held_out_signs(arm: Arm, told: set[str]) -> list[str]:
    """Return what changed in the answers to held-out problems, first to last, beyond what is told already.

    These are the same problems each time, so that much less is noise than from one training step to the next.
    """
    p, lines = arm.findings.performance, list[str]()
    if p is None:
        return lines
    evals = sorted((record for record in arm.evals if record.mode == p.mode), key=lambda record: record.step)
    for name in ("length_mean", "reasoning_share"):
        start, end = getattr(evals[0], name), getattr(evals[-1], name)
        if name not in told and abs(end - start) > Thresholds().steady * abs(start):
            words = f"{NAMES[name]} {reading(name, start)} → {reading(name, end)}"
            lines.append(f"{words} on held-out problems")
    return lines


def transfer_lines(transfer: Transfer) -> list[Line]:
    """Return both comparisons of RLIF -> RLVR with RLVR."""
    f, lines = transfer.found, list[Line]()
    versus = f"{transfer.arm.label} against {transfer.rlvr.label}"
    if f.equal_total is not None:
        budget = f"after {f.equal_total.first_step} steps in all"
        lines.append(Line(versus, f"{budget}: {_outcome(f.equal_total)}"))
    if f.equal_rlvr is not None:
        before = f"{f.rlif_steps} steps without tests came first"
        budget = f"after {f.equal_rlvr.second_step} steps on tests each ({before})"
        lines.append(Line(versus, f"{budget}: {_outcome(f.equal_rlvr)}"))
    return lines or [Line(versus, "is undecided: no two evaluations at equal budgets.")]


def controlled(study: Study) -> list[Line]:
    """Compare the other arms with the control: training moves a model even when it rewards nothing."""
    control, lines = study.control, list[Line]()
    if control is None:
        return lines
    for arm in study.centre:
        if arm.role is not Role.CONTROL and arm.findings.performance is not None:
            lines += _compared(f"{arm.label} against {control.label}:", arm, control)
    if control.findings.verdict in LOST:
        text = "fell too: what the others lost is their reward's work only as far as they differ from it."
        lines.append(Line(control.label, text))
    return lines


def _compared(subject: str, first: Arm, second: Arm) -> list[Line]:
    """Return a line on two arms at their last shared evaluation; none if they have none."""
    found = contrast(first, second)
    return [Line(subject, _outcome(found))] if found else []


def advice(study: Study) -> list[Line]:
    """Return what follows for someone who has to choose; silent where the data do not decide."""
    lines = [line for arm in study.with_role(Role.INTRINSIC) if (line := _until_when(arm)) is not None]
    lines += _tests_or_not(study)
    for arm in study.with_role(Role.CONTROL):
        if gained(arm.findings):
            lines.append(
                Line(arm.label, "gained too, though it knows nothing: do not credit other rewards yet.")
            )
    return lines


def _until_when(arm: Arm) -> Line | None:
    p, verdict = arm.findings.performance, arm.findings.verdict
    if p is None or arm.findings.verdict_source != "held-out tests":
        alarming = arm.findings.alarm is Alarm.ALARM
        text = "shows signals outside their healthy range: read its completions before training on."
        return Line(arm.label, text) if alarming else None
    if verdict is Verdict.IMPROVED:
        kept = "most of its gain" if p.drop.above_zero else "its gain"
        return Line(arm.label, f"kept {kept} up to step {p.end.step}; what comes after was not tried.")
    if verdict not in LOST:
        return None
    onsets = [(signal.onset, NAMES[signal.name]) for signal in _alarming(arm.findings) if signal.onset]
    sign = f" First to leave its healthy range: {min(onsets)[1]}, at step {min(onsets)[0]}." if onsets else ""
    if not gained(arm.findings):
        return Line(arm.label, f"is not worth using like this: no gain is shown at any step.{sign}")
    return Line(arm.label, f"should be stopped near step {p.peak_step}, where it was best.{sign}")


def _tests_or_not(study: Study) -> list[Line]:
    """Compare tests with the reward without tests that ended best."""
    judged = [arm for arm in study.with_role(Role.INTRINSIC) if arm.findings.performance is not None]
    tests = study.tests
    if tests is None or not judged:
        return []
    best = max(judged, key=lambda arm: _end(arm.findings))
    return _compared(f"{tests.label} against {best.label} (the best without tests at the end):", tests, best)


def _outcome(found: Comparison) -> str:
    word = {
        "better": "better",
        "worse": "worse",
        "equal": f"no difference beyond {100 * Thresholds().margin:g} points",
        "undecided": "undecided, too wide an interval",
    }[found.outcome]
    return f"{word}, {points(found.difference)}."


def _without_evaluations(f: Findings) -> str:
    if f.verdict_source == "training pass rate":
        passing = f.trends["pass_rate"]
        word = "is undecided" if f.verdict is Verdict.UNDECIDED else f.verdict
        return f"{word}, by the pass rate in training: {percent(passing.start)} → {percent(passing.end)}."
    if alarms := dict.fromkeys(NAMES[signal.name] for signal in _alarming(f)):
        return f"is undecided without tests, but alarming: {', '.join(alarms)} left the healthy range."
    quiet = "; no signal left its healthy range" if f.alarm is Alarm.QUIET else ""
    why = "no held-out test judged it" if f.performance is None else "it was evaluated only once"
    return f"is undecided: {why}{quiet}."


def _alarming(f: Findings) -> list[Trend]:
    """Return the signals outside their healthy range, of training steps and of evaluations."""
    return [signal for signal in (*f.trends.values(), *f.probe.values()) if signal.alarming]


def _end(f: Findings) -> float:
    score = getattr(f.performance.end, f.performance.mode).estimate if f.performance else math.nan
    return -math.inf if math.isnan(score) else score
