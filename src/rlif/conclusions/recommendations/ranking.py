"""The intrinsic rewards side by side: gains since the start at the last step that all of them reached."""

from collections.abc import Sequence
from dataclasses import dataclass

from rlif.conclusions.claims import Results, Rules
from rlif.conclusions.claims.data import Arm
from rlif.conclusions.claims.scores import LacksRuns, Table
from rlif.statistics.estimate import Estimate


@dataclass(frozen=True, slots=True)
class Standing:
    """One arm; its intervals hold for all arms at once.

    Attributes:
        name: of the arm. gain: pass@1 less that at the start, [S, P].
        own: its mean. beyond: the same less the gain of the control.
    """

    name: str
    gain: Table
    own: Estimate
    beyond: Estimate

    @property
    def helps(self) -> bool:
        """Whether it is shown to end above the start and above the control.

        Both: a reward that only loses less than noise does is not worth training on.
        """
        return self.own.low > 0 and self.beyond.low > 0

    @property
    def harms(self) -> bool:
        """Whether it is shown to end below both."""
        return self.own.high < 0 and self.beyond.high < 0


@dataclass(frozen=True, slots=True)
class Ranking:
    """All of them, the largest gain first.

    Attributes:
        step: at which they are compared. control: the gain with the random reward.
    """

    step: int
    control: Table
    standings: tuple[Standing, ...]

    def not_beaten(self, standing: Standing, alpha: float) -> bool:
        """Return whether no other arm is shown to be better.

        The arms for which it holds contain the truly best one with probability 1 − α: it is lost only if one
        of its m − 1 comparisons errs, each of level α / (m − 1) (subset selection: Gupta 1965).
        """
        others = [s for s in self.standings if s is not standing]
        return not any(len(others) * s.gain.minus(standing.gain).p_above() < alpha for s in others)


def ranking(results: Results, rules: Rules) -> Ranking:
    """Return the intrinsic arms, ranked.

    Raises:
        LacksRuns: there are none, no random control, or no step that all reached.
    """
    arms, control = results.arms(role="intrinsic"), results.control()
    step = common_step([*arms, control])
    level = 1 - rules.alpha / len(arms)
    idle = control.change(step, 0)
    gains = {arm.name: arm.change(step, 0) for arm in arms}
    standings = [
        Standing(name, gain, gain.mean(level), gain.minus(idle, level)) for name, gain in gains.items()
    ]
    return Ranking(step, idle, tuple(sorted(standings, key=lambda s: (-s.own.estimate, s.name))))


def common_step(arms: Sequence[Arm]) -> int:
    """Return the last step at which all runs of all arms were evaluated.

    Raises:
        LacksRuns: there is none after the start.
    """
    step = max(set[int].intersection(*(set(arm.steps) for arm in arms)), default=0)
    if step == 0:
        names = ", ".join(arm.name for arm in arms)
        raise LacksRuns(f"No evaluation after the start is common to all runs of: {names}.")
    return step
