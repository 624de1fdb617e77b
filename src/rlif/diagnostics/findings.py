"""`Findings`: what `diagnose` says of one run; numbers first, each with the sentence that rests on it."""

from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, Field

from rlif.records.schema import NAN, Number


class Verdict(StrEnum):
    """What became of held-out performance; `diagnostics.performance.verdict_of` states the criteria."""

    IMPROVED = "improved"
    IMPROVED_THEN_FELL = "improved then fell"
    COLLAPSED = "collapsed"
    WORSENED = "worsened"
    UNCHANGED = "unchanged"
    UNDECIDED = "undecided"


class Alarm(StrEnum):
    """What the signals that need no tests say by themselves."""

    ALARM = "alarm"  # something left its healthy range
    QUIET = "quiet"  # nothing did
    UNDECIDED = "undecided"  # too few steps, or no signal at all


class Direction(StrEnum):
    """Which way a signal went, beyond its own noise."""

    UP = "up"
    DOWN = "down"
    STEADY = "steady"
    UNKNOWN = "unknown"


class Mode(StrEnum):
    """How a run collapses. Which signal leads to which is in `diagnostics.signals` and
    `diagnostics.modes`.
    """

    LENGTH_COLLAPSE = "length_collapse"  # completions, or the reasoning in them, shrink
    LENGTH_EXPLOSION = "length_explosion"  # completions grow, or run into the limit
    ENTROPY_COLLAPSE = "entropy_collapse"  # always the same tokens
    ENTROPY_EXPLOSION = "entropy_explosion"  # tokens, or the programs of a group, scatter
    REPETITION = "repetition"  # the same words again and again within a completion
    BROKEN_PROGRAMS = "broken_programs"  # answers without a program, or one that cannot run
    REWARD_HACKING = "reward_hacking"  # the reward rises; truth, or without it consensus, falls
    ADVANTAGE_STARVATION = "advantage_starvation"  # equal rewards in nearly every group: no gradient
    NONE = "none"  # no sign of any
    UNDECIDED = "undecided"  # too little to say; or it got worse, and no signal shows how


class Interval(BaseModel):
    """An estimate with its 95% interval; NaN where undefined."""

    estimate: Number = NAN
    low: Number = NAN
    high: Number = NAN

    @property
    def above_zero(self) -> bool:
        """Whether the whole interval is positive."""
        return self.low > 0

    @property
    def below_zero(self) -> bool:
        """Whether the whole interval is negative."""
        return self.high < 0

    def __neg__(self) -> "Interval":
        return Interval(estimate=-self.estimate, low=-self.high, high=-self.low)

    def within(self, margin: float) -> bool:
        """Whether the whole interval lies within ± margin."""
        return -margin < self.low and self.high < margin


class Trend(BaseModel):
    """How one signal moved over a run.

    Attributes:
        name: field of `StepRecord`.
        start, end: means of the first and last sixth of the steps (1 to 10 steps).
        change: end − start. ratio: end / start.
        z: the clearest shift of its level as a normal deviate, up positive. p: its p-value, allowing for a
            look after every step and for all signals of the run; see `changepoint` and `trends`.
        direction: UP or DOWN when the change is larger than noise and not negligible.
        alarming: whether it left its healthy range, beyond noise. onset: the step from which it stayed
            outside;
            onset_low, onset_high: 95% interval of it.
    """

    name: str
    start: Number = NAN
    end: Number = NAN
    change: Number = NAN
    ratio: Number = NAN
    z: Number = NAN
    p: Number = NAN
    direction: Direction = Direction.UNKNOWN
    alarming: bool = False
    onset: int | None = None
    onset_low: int | None = None
    onset_high: int | None = None


class ProbeTrend(Trend):
    """How one signal moved on fixed problems, from the first evaluation to the last; see `probe`.

    Attributes:
        start, end: at the first and the last evaluation, on the problems that these two share.
        p: one-sided, allowing for a look at every evaluation and for both signals; the clearest since the
            signal left its healthy range, or of the last look where it has not. z: of the last look.
        direction: UP or DOWN when p is not above `probe.NOISE`.
        onset: step of the evaluation since which it is outside. onset_low: of the one before.
        step: of the last evaluation. evaluations: how many were compared, the first included.
        problems: shared ones. paired: whether compared problem by problem.
    """

    step: int
    evaluations: int
    problems: int
    paired: bool


class Score(BaseModel):
    """One evaluated policy. Peak scores are the best of several noisy ones, so they flatter."""

    step: int
    sampled: Interval = Interval()
    greedy: Interval = Interval()
    length: Number = NAN
    reasoning_share: Number = NAN


class Performance(BaseModel):
    """Held-out pass@1 of a run, judged on the problems that all its evaluations share.

    Attributes:
        mode: the sampling mode that decides. evaluations, problems, samples: how much it rests on.
        start, peak, end: first, best and last evaluation. peak_step: step of the best.
        gain: peak − start. drop: peak − end. Their intervals allow for the peak having been picked.
        change: end − start.
    """

    mode: Literal["sampled", "greedy"]
    evaluations: int
    problems: int
    samples: int
    start: Score
    peak: Score
    end: Score
    gain: Interval
    drop: Interval
    change: Interval

    @property
    def peak_step(self) -> int:
        """Training steps done when the best evaluation was taken."""
        return self.peak.step


class Collapse(BaseModel):
    """The Model Collapse Step in both readings; None where it did not happen.

    Attributes:
        accuracy_step: first step at which under 1% of the answers are right (training or held-out).
        decline_step: peak of the smoothed held-out pass@1, when it fell for good afterwards.
    """

    accuracy_step: int | None = None
    decline_step: int | None = None


class Gap(BaseModel):
    """Reward against truth within one stage: reward hacking is the one rising while the other falls.

    Attributes:
        stage: its name. from_step, to_step: the span compared.
        source: what stands for the truth.
        reward_change, truth_change: over the span. reward_z, truth_z: in standard errors.
        diverged: the reward rose and the truth fell, both beyond noise.
    """

    stage: str
    from_step: int
    to_step: int
    source: Literal["training pass rate", "held-out pass@1"]
    reward_change: Number = NAN
    reward_z: Number = NAN
    truth_change: Number = NAN
    truth_z: Number = NAN
    diverged: bool = False


class ModeFinding(BaseModel):
    """One mode of collapse that a run shows.

    Attributes:
        mode: which. onset: step from which its first signal stayed outside its healthy range.
        onset_low, onset_high: 95% interval of that step.
        confidence: 1 − p, with p a bound on the chance that a run without any change would show, in any of
            its signals at any step up to now, a shift as clear as the clearest of this mode. Signals of
            training steps and of the probe count apart. An alarm needs 0.7 of the former (see
            `Thresholds.noise` for why that is enough) or 0.95 of the latter. NaN where no test was made: a
            share of equal rewards is what it is, and a gap between reward and truth has its own z.
        signals: fields of `StepRecord` that show it.
    """

    mode: Mode
    onset: int
    onset_low: int
    onset_high: int
    confidence: Number = NAN
    signals: list[str] = Field(default_factory=list[str])


class Findings(BaseModel):
    """The diagnosis of one run.

    Attributes:
        verdict: from held-out tests; without them from the training pass rate; without either UNDECIDED.
        verdict_source: which of these it rests on.
        alarm: from signals that need no tests.
        modes: how it collapses, by onset. mode: the first of them, or NONE or UNDECIDED. Only reward hacking
            can rest on tests; it is then no alarm.
        steps: training steps seen. last_step: number of the last.
        performance: None without held-out evaluations.
        collapse, trends, gaps: see there; trends by field name, only signals that were recorded.
        probe: length and reasoning on the evaluations' fixed problems, by field name; empty without them.
        evidence: one sentence for each thing found, with its numbers.
    """

    verdict: Verdict = Verdict.UNDECIDED
    verdict_source: Literal["held-out tests", "training pass rate", "nothing"] = "nothing"
    alarm: Alarm = Alarm.UNDECIDED
    mode: Mode = Mode.UNDECIDED
    modes: list[ModeFinding] = Field(default_factory=list[ModeFinding])
    steps: int = 0
    last_step: int = 0
    performance: Performance | None = None
    collapse: Collapse = Collapse()
    trends: dict[str, Trend] = Field(default_factory=dict[str, Trend])
    probe: dict[str, ProbeTrend] = Field(default_factory=dict[str, ProbeTrend])
    gaps: list[Gap] = Field(default_factory=list[Gap])
    evidence: list[str] = Field(default_factory=list[str])

    @property
    def onset(self) -> int | None:
        """Step from which the first mode shows; None without one."""
        return self.modes[0].onset if self.modes else None

    @property
    def confidence(self) -> float:
        """Confidence in the first mode; see `ModeFinding`. NaN without one."""
        return self.modes[0].confidence if self.modes else NAN


class Comparison(BaseModel):
    """Two policies on the same problems.

    Attributes:
        difference: pass@1 of the first − of the second. problems: shared ones.
        first_step, second_step: which evaluations. mode: how they sampled.
        outcome: "better", "worse" (the first than the second), "equal" within the margin, or "undecided".
    """

    mode: Literal["sampled", "greedy"]
    problems: int
    first_step: int
    second_step: int
    difference: Interval
    outcome: Literal["better", "worse", "equal", "undecided"]
