"""How good is the label-free alarm? Detections, false alarms and lead times over the runs of studies, in
Markdown.

    python scripts/calibrate_alarms.py runs/every-reward runs/claims

Each run is looked at after every step, as `rlif diagnose --watch --without-tests` would, and its first alarm
counts: of the signals of its training steps, of the probe (length and reasoning on the evaluations' fixed
problems, as far as evaluated by then), and of either, which is what `rlif diagnose` says. What the alarm is
judged by is held-out pass@1, which it never sees: a run *fell* when an evaluation lies 10% or more under the
best so far. The lead is the step of the first such evaluation minus the step of the alarm: negative when the
loss came first. A run whose groups have no reward spread is *starved*, not collapsing, and is counted apart.
Intervals are Wilson's; runs of one study share problems and seeds, so they are too narrow.
"""

import argparse
import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from statistics import median

from scipy.stats import binomtest

from rlif.diagnostics import Mode, diagnose
from rlif.records import EvalRecord, RunDir, StepRecord, StudyDir

LOSS = 0.1
"""Share of the best held-out pass@1 whose loss counts as having fallen."""


@dataclass(frozen=True)
class FirstAlarm:
    """The first mode that showed, and the step after which it did."""

    step: int
    mode: Mode


@dataclass(frozen=True)
class Outcome:
    """What became of one run, and when which signals alarmed; None: never."""

    group: str
    first_loss: int | None
    by_steps: FirstAlarm | None
    by_probe: FirstAlarm | None
    starved: bool

    @property
    def fell(self) -> bool:
        """Whether it lost enough of its pass@1 at any evaluation."""
        return self.first_loss is not None

    @property
    def alarm(self) -> FirstAlarm | None:
        """The first of either kind."""
        alarms = [alarm for alarm in (self.by_steps, self.by_probe) if alarm is not None]
        return min(alarms, key=lambda alarm: alarm.step, default=None)


WATCHED = {
    "training steps": attrgetter("by_steps"),
    "probe": attrgetter("by_probe"),
    "either": attrgetter("alarm"),
}
"""What may alarm -> its first alarm in an `Outcome`."""


def main() -> None:
    """Print a line for each kind of run, and the rates over all."""
    parser = argparse.ArgumentParser(description="How good is the label-free alarm?")
    parser.add_argument("studies", type=Path, nargs="+")
    for path in parser.parse_args().studies:
        outcomes = [
            outcome(info.label or info.id, run) for info, run in StudyDir(path).runs() if complete(run)
        ]
        print(f"\n## {path.name}: {len(outcomes)} runs\n")
        print("| runs | n | fell | alarms where it fell | alarms where not | starved | first alarm | lead |")
        print("|---|---|---|---|---|---|---|---|")
        for group, members in itertools.groupby(sorted(outcomes, key=_group), key=_group):
            print(line(group, list(members)))
        print(line("**all**", outcomes))
        print("\n| alarms of | detected | false alarms | leads |")
        print("|---|---|---|---|")
        for name, alarm_of in WATCHED.items():
            fell, held = ([alarm_of(o) for o in outcomes if o.fell is wanted] for wanted in (True, False))
            print(f"| {name} | {rate(fell)} | {rate(held)} | {leads(outcomes, alarm_of)} |")


def complete(run: RunDir) -> bool:
    """Whether a run ended and has what it is judged by."""
    state = run.read_status()
    return state is not None and state.state == "complete" and len(run.evals()) > 1


def outcome(label: str, run: RunDir) -> Outcome:
    """Look at a run after every step."""
    scores = [(record.step, record.pass_at_1) for record in run.evals() if record.mode == "sampled"]
    best = list(itertools.accumulate((score for _, score in scores), max))
    lost = [step for (step, score), most in zip(scores, best, strict=True) if score <= (1 - LOSS) * most]
    steps, evals = run.steps(), run.evals()
    return Outcome(
        group=label.split(", seed")[0],
        first_loss=min(lost, default=None),
        by_steps=first_alarm((record.step, steps[:n], []) for n, record in enumerate(steps, start=1)),
        by_probe=first_alarm((at, [], [e for e in evals if e.step <= at]) for at, _ in scores),
        starved=diagnose(steps, [], use_tests=False).mode is Mode.ADVANTAGE_STARVATION,
    )


def first_alarm(looks: Iterable[tuple[int, list[StepRecord], list[EvalRecord]]]) -> FirstAlarm | None:
    """Return the first mode that shows but starvation, of what was recorded up to each step."""
    for at, steps, evals in looks:
        for found in diagnose(steps, evals, use_tests=False).modes:
            if found.mode is not Mode.ADVANTAGE_STARVATION:
                return FirstAlarm(at, found.mode)
    return None


def line(group: str, outcomes: list[Outcome]) -> str:
    """Return a line of the table."""
    alarms = [(o, o.alarm) for o in outcomes if o.alarm is not None]
    detected = sum(o.fell for o, _ in alarms)
    modes = sorted({alarm.mode.replace("_", " ") for _, alarm in alarms})
    first = f"{_span([alarm.step for _, alarm in alarms])} ({', '.join(modes)})" if alarms else "–"
    return (
        f"| {group} | {len(outcomes)} | {sum(o.fell for o in outcomes)} | {detected} "
        f"| {len(alarms) - detected} | {sum(o.starved for o in outcomes)} | {first} "
        f"| {leads(outcomes, WATCHED['either'])} |"
    )


def rate(alarms: list[FirstAlarm | None]) -> str:
    """Return how many of the runs alarmed, with the 95% interval of the share."""
    if not alarms:
        return "no such runs"
    n = sum(alarm is not None for alarm in alarms)
    share = binomtest(n, len(alarms)).proportion_ci(method="wilson")
    return f"{n} of {len(alarms)} (95% interval {share.low:.0%} to {share.high:.0%})"


def leads(outcomes: list[Outcome], alarm_of: Callable[[Outcome], FirstAlarm | None]) -> str:
    """Return smallest and largest lead over the runs that fell and alarmed, and the median of several."""
    found = [
        o.first_loss - alarm.step
        for o in outcomes
        if o.first_loss is not None and (alarm := alarm_of(o)) is not None
    ]
    if not found:
        return "–"
    return _span(found) + (f", median {median(found):g}" if len(found) > 1 else "")


def _group(outcome: Outcome) -> str:
    return outcome.group


def _span(values: list[int]) -> str:
    return f"{min(values)}" if min(values) == max(values) else f"{min(values)} to {max(values)}"


if __name__ == "__main__":
    main()
