"""What shows without tests whether a reward works: how signals and gains go together over the arms.

Spearman's rank correlation over arms (runs of one arm are no independent witnesses), interval by Fisher's z
with the standard error √((1 + r²/2) / (n − 3)) (Bonett & Wright 2000).
"""

import math
from collections.abc import Sequence

import numpy as np

from rlif.conclusions.claims import Results, Rules
from rlif.conclusions.claims.data import SIGNALS, Arm
from rlif.conclusions.claims.scores import Floats, LacksRuns, Run
from rlif.conclusions.recommendations.ranking import common_step
from rlif.conclusions.recommendations.types import Answer, question
from rlif.conclusions.recommendations.wording import Unit, listed, sentences, written
from rlif.statistics.rank import spearman

FEWEST = 8
"""With fewer arms no correlation over them is told."""

NAMES = {
    "length_mean": "completion length",
    "reasoning_rate": "share of completions that reason",
    "reasoning_share": "share of tokens that reason",
    "truncated": "share of completions cut off",
    "no_code": "share of completions without a program",
}
"""Signals whose names are not words."""


@question("signals", "Which signal shows without tests whether training works?")
def signals(results: Results, rules: Rules) -> Sequence[Answer]:
    """Name the signal whose change goes together most with the gain over arms."""
    arms = [arm for arm in results.arms() if len(arm.runs) > 1 and arm.runs[0].role != "transfer"]
    if len(arms) < FEWEST:
        raise LacksRuns(
            f"A correlation over rewards needs {FEWEST} arms of two seeds or more; there are {len(arms)}."
        )
    step = common_step(arms)
    gains = np.array([arm.change(step, 0).values.mean() for arm in arms])
    level = 1 - rules.alpha / len(SIGNALS)
    found = {name: spearman(_changes(arms, name, step), gains, level) for name in SIGNALS}
    known = {name: e for name, e in found.items() if not math.isnan(e.estimate)}
    if not known:
        raise LacksRuns("No signal was recorded that differs between the arms.")
    ordered = sorted(known, key=lambda name: -abs(known[name].estimate))
    best, estimate = ordered[0], known[ordered[0]]
    told = estimate.low > 0 or estimate.high < 0
    way = "a rise went with a gain" if estimate.estimate > 0 else "a rise went with a loss"
    advice = (
        f"Watch the {_words(best)}: over {len(arms)} rewards {way} in held-out pass@1 by step {step}, "
        f"rank correlation {written(estimate, Unit.CORRELATION)}."
    )
    rest = [f"{_words(name)} {written(known[name], Unit.CORRELATION)}" for name in ordered[1:]]
    return [
        Answer(
            about=best,
            estimate=estimate,
            unit=Unit.CORRELATION,
            against="no correlation",
            advice=advice if told else "",
            needed="" if told else f"More rewards: {len(arms)} are too few for a correlation this small.",
            runs=[run.id for arm in arms for run in arm.runs],
            n_problems=len(arms[0].scores(step).problems),
            caveat=sentences(
                "Rank correlations over the rewards of this study, which need not hold among others.",
                f"Beside it: {listed(rest, 'and')}." if rest else "",
            ),
        )
    ]


def _changes(arms: Sequence[Arm], signal: str, step: int) -> Floats:
    """Return the mean change of a signal in each arm, [N], from its first value to the step."""
    return np.array([np.mean([_change(run, signal, step) for run in arm.runs]) for arm in arms])


def _change(run: Run, signal: str, step: int) -> float:
    before = [e.signals[signal] for at, e in run.evaluations.items() if at < step]
    first = next((value for value in before if not math.isnan(value)), math.nan)
    return run.evaluations[step].signals[signal] - first


def _words(signal: str) -> str:
    return NAMES.get(signal, signal.replace("_", " "))
