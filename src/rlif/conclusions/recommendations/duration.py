"""How long to train on each intrinsic reward: where it peaked, and whether its second half still gained."""

from collections.abc import Sequence
from dataclasses import dataclass

from rlif.conclusions.claims import Results, Rules
from rlif.conclusions.claims.data import Arm
from rlif.conclusions.claims.scores import LacksRuns
from rlif.conclusions.recommendations.power import needed
from rlif.conclusions.recommendations.types import Answer, question
from rlif.conclusions.recommendations.wording import may_be_small, sentences, written
from rlif.statistics.estimate import Estimate


@dataclass(frozen=True, slots=True)
class _Course:
    """What an arm did; its intervals hold for all arms and steps at once.

    Attributes:
        peak: step of the largest mean before the last. searched: steps it was picked from.
        half: evaluation nearest to half the budget.
        lost: mean at the peak less that at the end. late: mean at the end less that half-way.
    """

    arm: Arm
    peak: int
    searched: int
    half: int
    lost: Estimate
    late: Estimate

    @property
    def runs(self) -> list[str]:
        return [run.id for run in self.arm.runs]

    @property
    def n_problems(self) -> int:
        return len(self.arm.end().problems)


@question("duration", "How long to train on it?")
def duration(results: Results, rules: Rules) -> Sequence[Answer]:
    """Answer for each reward that is shown to fall from its peak, or to gain in its second half."""
    arms = [arm for arm in results.arms(role="intrinsic") if len(arm.steps) > 2]
    if not arms:
        raise LacksRuns("No intrinsic reward was evaluated more than twice.")
    alpha = rules.alpha / (2 * len(arms))  # two questions an arm
    courses = [_course(arm, alpha) for arm in arms]
    stop = [_stop(course, rules) for course in courses if course.lost.low > 0]
    go_on = [_go_on(course, rules) for course in courses if course.late.low > 0 >= course.lost.low]
    return [*stop, *go_on] or [_undecided(courses, rules)]


def _course(arm: Arm, alpha: float) -> _Course:
    *earlier, last = arm.steps
    peak = max(earlier, key=lambda step: float(arm.scores(step).values.mean()))
    half = min(earlier[1:], key=lambda step: abs(2 * step - last))
    return _Course(
        arm=arm,
        peak=peak,
        searched=len(earlier),
        half=half,
        lost=arm.change(peak, last).mean(1 - alpha / len(earlier)),
        late=arm.change(last, half).mean(1 - alpha),
    )


def _stop(course: _Course, rules: Rules) -> Answer:
    name, last, peak = course.arm.name, course.arm.last, course.peak
    what = f"Stop {name} by step {peak}" if peak else f"Do not train on {name}: the start was its best"
    return Answer(
        about=name,
        estimate=course.lost,
        against=f"{name} at step {last}",
        advice=f"{what}. From there to step {last} it lost {written(course.lost)}.",
        runs=course.runs,
        n_problems=course.n_problems,
        caveat=sentences(
            f"The best of {course.searched} evaluations was picked.", may_be_small(course.lost, rules)
        ),
    )


def _go_on(course: _Course, rules: Rules) -> Answer:
    name, last, half = course.arm.name, course.arm.last, course.half
    return Answer(
        about=name,
        estimate=course.late,
        against=f"{name} at step {half}",
        advice=f"Train on {name} for {last} steps rather than {half}: in between it gained "
        f"{written(course.late)}.",
        runs=course.runs,
        n_problems=course.n_problems,
        caveat=sentences("What comes after the budget was not seen.", may_be_small(course.late, rules)),
    )


def _undecided(courses: Sequence[_Course], rules: Rules) -> Answer:
    course = max(courses, key=lambda course: course.lost.estimate)
    return Answer(
        estimate=course.lost,
        against=f"{course.arm.name} at step {course.arm.last}",
        runs=[run for c in courses for run in c.runs],
        n_problems=course.n_problems,
        needed=needed(course.lost, rules, 2 * len(courses) * course.searched),
        caveat=f"The numbers are those of {course.arm.name}, which lost most: since step {course.peak}.",
    )
