"""The headline: the one sentence to remember, chosen by the findings."""

from rlif.diagnostics import Alarm, Verdict
from rlif.records import Role
from rlif.report.arms import Arm
from rlif.report.curves import onset
from rlif.report.decisions import LOST, gained
from rlif.report.load import Study


def headline(study: Study) -> str:
    """Return the one sentence to remember."""
    arms = [arm for arm in study.with_role(Role.INTRINSIC) if arm.findings.performance is not None]
    if len(study.arms) == 1:
        return f"{study.arms[0].label}: {_alone(study.arms[0])}"
    if not arms:
        return _unjudged(study)
    rose = [arm for arm in arms if gained(arm.findings)]
    lost = [arm for arm in arms if arm.findings.verdict in LOST]
    if len(arms) == 1:
        return f"The reward that needs no tests {_single(bool(rose), bool(lost))}"
    back = [arm for arm in rose if arm in lost]
    worse = [arm for arm in lost if arm not in rose]
    first = f"{_count(rose)} gained" + (" at first" if back else "")
    parts = [first if rose else "none is shown to have gained"]
    if back:
        parts.append(f"{_count(back)} of these lost it again")
    if worse:
        parts.append(f"{_count(worse)} only got worse")
    return f"Of {_count(arms)} rewards that need no tests, {_listed(parts)}"


def _single(rose: bool, fell: bool) -> str:
    if rose:
        return "gained at first, then lost it again" if fell else "gained"
    return "only got worse" if fell else "is not shown to have gained"


def _alone(arm: Arm) -> str:
    f = arm.findings
    if f.verdict is not Verdict.UNDECIDED:
        return f.verdict
    if f.performance is not None and f.performance.evaluations > 1:
        return "undecided, because the interval of its change is too wide"
    why = "no held-out test judged it" if f.performance is None else "it was evaluated only once"
    seen = {
        Alarm.ALARM: f"but signals left their healthy range, first at step {onset(arm)}",
        Alarm.QUIET: "and no signal left its healthy range",
        Alarm.UNDECIDED: "and its signals do not tell either",
    }[f.alarm]
    return f"undecided, because {why}; {seen}"


def _unjudged(study: Study) -> str:
    arms = study.with_role(Role.INTRINSIC)
    if not arms:
        return f"{study.name}: {len(study.runs)} runs"
    alarming = [arm for arm in arms if arm.findings.alarm is Alarm.ALARM]
    seen = f"signals of {_count(alarming)} left their healthy range"
    return f"No held-out test judged the {_count(arms)} rewards that need no tests; {seen}"


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _count(arms: list[Arm]) -> str:
    words = ["none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    return words[len(arms)] if len(arms) < len(words) else str(len(arms))
