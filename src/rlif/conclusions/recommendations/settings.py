"""How to set what a study varies: temperature, rollouts a prompt, train size; trends in the gain."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rlif.conclusions.claims import Results, Rules
from rlif.conclusions.claims.data import AXES, Arm
from rlif.conclusions.claims.scores import LacksRuns, Run, aligned
from rlif.conclusions.recommendations.power import needed
from rlif.conclusions.recommendations.ranking import common_step
from rlif.conclusions.recommendations.types import Answer, question
from rlif.conclusions.recommendations.wording import Unit, listed, sentences, written
from rlif.statistics.crossed import contrast, slope_weights
from rlif.statistics.estimate import Estimate


@dataclass(frozen=True, slots=True)
class _Ladder:
    """The runs of one arm along one axis.

    Attributes:
        axis: column. levels: ascending, each with its runs. control: the same of the random reward, or empty.
    """

    axis: str
    arm: str
    levels: dict[float, Arm]
    control: dict[float, Arm]

    @property
    def title(self) -> str:
        return f"{AXES[self.axis]} of {self.arm}"

    @property
    def arms(self) -> list[Arm]:
        return [*self.levels.values(), *self.control.values()]


@question("settings", "How to set temperature, rollouts and train size?")
def settings(results: Results, rules: Rules) -> Sequence[Answer]:
    """Answer for each axis and arm that varies along it; their intervals hold for all at once."""
    ladders = [ladder for axis in AXES for ladder in _ladders(results, axis)]
    if not ladders:
        raise LacksRuns(
            f"No reward has two complete runs or more at two levels of {listed(list(AXES.values()))}."
        )
    return [_answer(ladder, len(ladders), rules) for ladder in ladders]


def _ladders(results: Results, axis: str) -> list[_Ladder]:
    runs = results.along(axis)
    control = _levels([run for run in runs if (run.role, run.reward) == ("control", "random")], axis)
    names = sorted({run.arm for run in runs if run.role in ("intrinsic", "verifiable")})
    of_arms = {name: _levels([run for run in runs if run.arm == name], axis) for name in names}
    return [_Ladder(axis, name, levels, control) for name, levels in of_arms.items() if levels]


def _levels(runs: Sequence[Run], axis: str) -> dict[float, Arm]:
    """Return the runs at each level that has two or more; nothing where that leaves no two levels."""
    by_level: dict[float, list[Run]] = {}
    for run in runs:
        by_level.setdefault(float(getattr(run, axis)), []).append(run)
    levels = {
        level: Arm(f"{axis}={level:g}", tuple(found))
        for level, found in sorted(by_level.items())
        if level > 0 and len(found) > 1
    }
    return levels if len(levels) > 1 else {}


def _answer(ladder: _Ladder, asked: int, rules: Rules) -> Answer:
    step = common_step(ladder.arms)
    trend = _trend(ladder, step, 1 - rules.alpha / asked)
    levels = [f"{level:g}" for level in ladder.levels]
    caveat = f"A straight line over {listed(levels, 'and')}: one doubling may do more than the next."
    advice, missing = "", ""
    if trend.low > 0 or trend.high < 0:
        choice, word = (levels[-1], "higher") if trend.low > 0 else (levels[0], "lower")
        more = " more than with the random reward" if ladder.control else ""
        advice = (
            f"Set {ladder.title} {word} ({choice} of {listed(levels)}): each doubling changed the gain at "
            f"step {step} by {written(trend, Unit.POINTS_A_DOUBLING)}{more}."
        )
    else:
        missing = f"Doubling the {ladder.title}: {needed(trend, rules, asked)}"
    return Answer(
        about=f"{ladder.axis}/{ladder.arm}",
        estimate=trend,
        unit=Unit.POINTS_A_DOUBLING,
        against="random reward, same settings" if ladder.control else "no change",
        advice=advice,
        needed=missing,
        runs=[run.id for arm in ladder.arms for run in arm.runs],
        n_problems=len(ladder.arms[0].scores(step).problems),
        caveat=sentences(caveat, "" if ladder.control else "No random runs vary with it, to compare with."),
    )


def _trend(ladder: _Ladder, step: int, level: float) -> Estimate:
    """Return the slope of the gain on log2 of the setting, less that of the control."""
    weights = [*_weights(ladder.levels), *(-w for w in _weights(ladder.control))]
    return contrast(aligned([arm.change(step, 0) for arm in ladder.arms]), weights, level)


def _weights(levels: dict[float, Arm]) -> list[float]:
    if not levels:
        return []
    return slope_weights([math.log2(level) for level in levels], [len(arm.runs) for arm in levels.values()])
