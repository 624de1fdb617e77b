"""How good is the label-free alarm? Detections, false alarms and lead times over the runs of studies, in
Markdown.

    python scripts/calibrate_alarms.py runs/every-reward runs/claims

Each run is looked at after every step, as `rlif diagnose --watch --without-tests` would, and its first alarm
counts. What the alarm is judged by is held-out pass@1, which it never sees: a run *fell* when an evaluation
lies 10% or more under the best so far. The lead is the step of the first such evaluation minus the step of
the alarm: negative when the loss came first. A run whose groups have no reward spread is *starved*, not
collapsing, and is counted apart. Intervals are Wilson's; runs of one study share problems and seeds, so they
are too narrow.
"""

import argparse
import itertools
from dataclasses import dataclass
from pathlib import Path

from scipy.stats import binomtest

from rlif.diagnostics import Mode, ModeFinding, diagnose
from rlif.records import RunDir, StepRecord, StudyDir

LOSS = 0.1
"""Share of the best held-out pass@1 whose loss counts as having fallen."""


@dataclass(frozen=True)
class Outcome:
    """What became of one run, and what the alarm said."""

    group: str
    first_loss: int | None
    alarm: ModeFinding | None
    alarm_step: int | None
    starved: bool

    @property
    def fell(self) -> bool:
        """Whether it lost enough of its pass@1 at any evaluation."""
        return self.first_loss is not None


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
        fell = [o for o in outcomes if o.fell]
        held = [o for o in outcomes if not o.fell]
        print(f"\nDetected: {rate(fell)}. False alarms: {rate(held)}.")


def complete(run: RunDir) -> bool:
    """Whether a run ended and has what it is judged by."""
    state = run.read_status()
    return state is not None and state.state == "complete" and len(run.evals()) > 1


def outcome(label: str, run: RunDir) -> Outcome:
    """Look at a run after every step."""
    scores = [(record.step, record.pass_at_1) for record in run.evals() if record.mode == "sampled"]
    best = list(itertools.accumulate((score for _, score in scores), max))
    lost = [step for (step, score), most in zip(scores, best, strict=True) if score <= (1 - LOSS) * most]
    steps = run.steps()
    alarm, at = first_alarm(steps)
    starved = diagnose(steps, [], use_tests=False).mode is Mode.ADVANTAGE_STARVATION
    return Outcome(label.split(", seed")[0], min(lost, default=None), alarm, at, starved)


def first_alarm(steps: list[StepRecord]) -> tuple[ModeFinding | None, int | None]:
    """Return the first mode that shows but starvation, and the step after which it does."""
    for n in range(1, len(steps) + 1):
        for mode in diagnose(steps[:n], [], use_tests=False).modes:
            if mode.mode is not Mode.ADVANTAGE_STARVATION:
                return mode, steps[n - 1].step
    return None, None


def line(group: str, outcomes: list[Outcome]) -> str:
    """Return a line of the table."""
    fell, alarms = [o for o in outcomes if o.fell], [o for o in outcomes if o.alarm_step is not None]
    leads = [
        o.first_loss - o.alarm_step for o in alarms if o.first_loss is not None and o.alarm_step is not None
    ]
    modes = sorted({o.alarm.mode.replace("_", " ") for o in alarms if o.alarm})
    first = f"{_span([o.alarm_step or 0 for o in alarms])} ({', '.join(modes)})" if alarms else "–"
    return (
        f"| {group} | {len(outcomes)} | {len(fell)} | {sum(o in fell for o in alarms)} "
        f"| {sum(o not in fell for o in alarms)} | {sum(o.starved for o in outcomes)} | {first} "
        f"| {_span(leads) if leads else '–'} |"
    )


def rate(outcomes: list[Outcome]) -> str:
    """Return how many of the runs alarmed, with the 95% interval of the share."""
    if not outcomes:
        return "no such runs"
    alarms = sum(o.alarm_step is not None for o in outcomes)
    share = binomtest(alarms, len(outcomes)).proportion_ci(method="wilson")
    return f"{alarms} of {len(outcomes)} (95% interval {share.low:.0%} to {share.high:.0%})"


def _group(outcome: Outcome) -> str:
    return outcome.group


def _span(values: list[int]) -> str:
    return f"{min(values)}" if min(values) == max(values) else f"{min(values)} to {max(values)}"


if __name__ == "__main__":
    main()
