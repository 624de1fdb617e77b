"""What stopping rules are worth: replayed on recorded runs, tuned on all but one reward, temperature or seed.

    regret = pass@1 of the best policy − pass@1 of the policy that the rule keeps

The policy kept is the last one evaluated at or before the step that the rule names; the last of all where
it never stops. The best of several noisy evaluations flatters itself, so it is chosen on one half of the
problems and measured on the other (cross-fitting, averaged over both directions of several splits): what
somebody with half of the tests would have got. A rule can therefore have a negative regret.

A false alarm is a stop after which the run went on to a policy better by more than a margin than the one
kept (chosen and measured likewise).
"""

from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rlif.conclusions.recorded import RecordedRun
from rlif.conclusions.rule_choices import Strategy
from rlif.diagnostics.series import Floats
from rlif.diagnostics.stopping import StoppingRule
from rlif.diagnostics.thresholds import Thresholds
from rlif.statistics import crossed, runs
from rlif.statistics.estimate import Estimate

LEFT_OUT: dict[str, Callable[[RecordedRun], Hashable]] = {
    "reward": lambda run: run.reward,
    "temperature": lambda run: run.temperature,
    "seed": lambda run: run.seed,
}
"""What may be left out, all its runs at once: the value by which runs are grouped."""

SPLITS = 10
KEPT = 0.95
"""Share of the peak gain that counts as keeping it."""

FALSE_ALARMS = 0.05
"""Share of the training runs above which a setting is chosen only if none is below."""


class Replay:
    """One recorded run, and what keeping each of its evaluated policies would have cost."""

    def __init__(self, run: RecordedRun) -> None:
        self.run = run
        self._stops: dict[StoppingRule, Stop] = {}

    @cached_property
    def best_from(self) -> Floats:
        """Cross-fitted score on each problem of the best evaluation from index e on, [E, P]."""
        scores = self.run.scores
        best = np.zeros_like(scores)
        rng = np.random.default_rng(0)
        for _ in range(SPLITS):
            order = rng.permutation(scores.shape[1])
            first, second = np.array_split(order, 2)
            for choose, measure in ((first, second), (second, first)):
                curve = scores[:, choose].mean(axis=1)
                for e in range(len(scores)):
                    best[e, measure] += scores[e + int(curve[e:].argmax()), measure]
        return best / SPLITS

    def gain(self) -> float:
        """Return pass@1 of the best policy less that of the start."""
        return float((self.best_from[0] - self.run.scores[0]).mean())

    def stop(self, rule: StoppingRule) -> "Stop":
        """Return where a rule stops this run; every rule is replayed once."""
        if rule not in self._stops:
            advice = rule.advise(self.run.history)
            first = advice.first
            kept = len(self.run.steps) - 1 if first is None else self.run.kept(int(advice.best[first]))
            self._stops[rule] = Stop(self, first is not None, kept)
        return self._stops[rule]


@dataclass(frozen=True, slots=True, eq=False)
class Stop:
    """Where a rule stopped a run, if it did, and the index of the evaluation of the policy kept."""

    replay: Replay
    stopped: bool
    kept: int

    @property
    def regret(self) -> Floats:
        """Regret on each problem, [P]."""
        return self.replay.best_from[0] - self.replay.run.scores[self.kept]

    @property
    def change(self) -> Floats:
        """Score of the policy kept less that of the start on each problem, [P]."""
        return self.replay.run.scores[self.kept] - self.replay.run.scores[0]

    @property
    def share_kept(self) -> float:
        """Gain of the policy kept over the gain of the best one."""
        return float(self.change.mean()) / self.replay.gain()

    def false_alarm(self, margin: float) -> bool:
        """Return whether going on would have gained more than the margin."""
        missed = self.replay.best_from[self.kept] - self.replay.run.scores[self.kept]
        return self.stopped and float(missed.mean()) > margin


@dataclass(frozen=True, slots=True)
class Row:
    """One strategy, judged on runs that it was not tuned on.

    Attributes:
        strategy: its name. left_out: what was left out, "-" when there was nothing to tune.
        runs: number of runs. stopped, false_alarms: of them.
        regret: mean over runs, for new runs and problems.
        gaining: runs whose best policy is better than the start by more than the margin.
        gain_kept: of those, how many kept at least 95% of the gain. share_kept: mean share of the gain kept.
        others: pass@1 kept − pass@1 at the start, mean over the runs without such a gain.
        harmed: runs whose policy kept is worse than the start by more than the margin.
        setting: the setting chosen most often.
    """

    strategy: str
    left_out: str
    runs: int
    stopped: int
    false_alarms: int
    regret: Estimate
    gaining: int
    gain_kept: int
    share_kept: Estimate
    others: Estimate
    harmed: int
    setting: str

    @property
    def reached(self) -> bool:
        """Whether the goal is reached: 95% of the gain in 90% of the runs, false alarms in 5%."""
        return (
            self.gaining > 0
            and self.gain_kept >= 0.9 * self.gaining
            and self.false_alarms <= FALSE_ALARMS * self.runs
        )


def regret_table(
    recorded: Sequence[RecordedRun],
    strategies: Sequence[Strategy],
    margin: float = Thresholds().margin,
) -> list[Row]:
    """Return a row for each strategy and each thing that can be left out (with two values or more)."""
    replays = [Replay(run) for run in recorded]
    rows: list[Row] = []
    for strategy in strategies:
        if len(strategy.candidates) == 1:
            chosen = dict.fromkeys(replays, strategy.candidates[0])
            rows.append(_row(strategy.name, "-", chosen, margin))
            continue
        for name, group_of in LEFT_OUT.items():
            if len({group_of(run) for run in recorded}) > 1:
                chosen = _tuned(strategy, replays, group_of, margin)
                rows.append(_row(strategy.name, name, chosen, margin))
    return rows


def _tuned(
    strategy: Strategy, replays: Sequence[Replay], group_of: Callable[[RecordedRun], Hashable], margin: float
) -> dict[Replay, StoppingRule]:
    """Return for each run the candidate that was best on the runs of all other groups."""
    chosen: dict[Replay, StoppingRule] = {}
    for group in {group_of(replay.run) for replay in replays}:
        training = [replay for replay in replays if group_of(replay.run) != group]
        best = min(strategy.candidates, key=lambda rule: _cost(rule, training, margin))
        chosen |= {replay: best for replay in replays if group_of(replay.run) == group}
    return chosen


def _cost(rule: StoppingRule, replays: Sequence[Replay], margin: float) -> tuple[float, float]:
    """Return what tuning makes small: false alarms beyond the share allowed, then mean regret."""
    stops = [replay.stop(rule) for replay in replays]
    alarms = float(np.mean([stop.false_alarm(margin) for stop in stops]))
    return max(0.0, alarms - FALSE_ALARMS), float(np.mean([stop.regret.mean() for stop in stops]))


def _row(strategy: str, left_out: str, chosen: Mapping[Replay, StoppingRule], margin: float) -> Row:
    stops = [replay.stop(rule) for replay, rule in chosen.items()]
    gaining = [stop for stop in stops if stop.replay.gain() > margin]
    others = [stop for stop in stops if stop.replay.gain() <= margin]
    shares = np.array([stop.share_kept for stop in gaining])
    changes = [stop.change for stop in others]
    settings = Counter(_setting(rule) for rule in chosen.values())
    return Row(
        strategy=strategy,
        left_out=left_out,
        runs=len(stops),
        stopped=sum(stop.stopped for stop in stops),
        false_alarms=sum(stop.false_alarm(margin) for stop in stops),
        regret=crossed.mean(np.array([stop.regret for stop in stops])),
        gaining=len(gaining),
        gain_kept=int((shares >= KEPT).sum()),
        share_kept=runs.mean(shares),
        others=crossed.mean(np.array(changes)) if changes else Estimate(),
        harmed=sum(float(stop.change.mean()) < -margin for stop in stops),
        setting=settings.most_common(1)[0][0],
    )


def _setting(rule: StoppingRule) -> str:
    return ", ".join(f"{key} {value}" for key, value in rule.model_dump(exclude={"type"}).items())
