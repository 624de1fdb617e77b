"""`diagnose`: records in, findings out."""

from rlif.diagnostics.evidence import evidence
from rlif.diagnostics.findings import Alarm, Direction, Findings, Trend, Verdict
from rlif.diagnostics.gap import gaps
from rlif.diagnostics.modes import first_mode, modes
from rlif.diagnostics.performance import collapse, performance, verdict_of
from rlif.diagnostics.probe import probe
from rlif.diagnostics.series import Evals, Metrics, load, without_truth
from rlif.diagnostics.signals import SIGNALS
from rlif.diagnostics.thresholds import Thresholds
from rlif.diagnostics.trends import trends


def diagnose(
    metrics: Metrics,
    evals: Evals | None = None,
    thresholds: Thresholds | None = None,
    *,
    use_tests: bool = True,
) -> Findings:
    """Diagnose one run: did it gain, did it collapse, when, and what showed it.

    Args:
        metrics: a run directory or its path, or its steps as `StepRecord` or dict.
        evals: held-out evaluations; None takes those of the run directory. Without any that were judged, and
            without a training pass rate, the verdict is undecided and `alarm` says what the label-free
            signals show.
        thresholds: what counts as how much; see `Thresholds`.
        use_tests: False ignores everything that needs tests, as if the run had none: pass@1, pass rates
            and what follows from them. The alarm does not depend on it.

    Raises:
        UserError: the records cannot be read.
    """
    t = thresholds or Thresholds()
    steps, held_out = load(metrics, evals)
    if not use_tests:
        steps, held_out = without_truth(steps, held_out)
    found = Findings(
        steps=len(steps),
        last_step=steps[-1].step if steps else 0,
        performance=performance(held_out),
        trends=trends(steps, t),
        probe=probe(held_out),
        gaps=gaps(steps, held_out, t),
    )
    found.collapse = collapse(steps, held_out, found.performance, t)
    found.alarm = _alarm(found)
    if found.performance is not None and found.performance.evaluations > 1:
        found.verdict, found.verdict_source = verdict_of(found.performance, t), "held-out tests"
    elif "pass_rate" in found.trends:
        found.verdict = _training_verdict(found.trends["pass_rate"], t)
        found.verdict_source = "training pass rate"
    found.modes = modes(found.trends, found.probe, found.gaps)
    found.mode = first_mode(found)
    found.evidence = evidence(found)
    return found


def _alarm(found: Findings) -> Alarm:
    watched = [trend for name, trend in found.trends.items() if SIGNALS[name].can_alarm]
    watched += found.probe.values()
    if not watched:
        return Alarm.UNDECIDED
    return Alarm.ALARM if any(trend.alarming for trend in watched) else Alarm.QUIET


def _training_verdict(passing: Trend, t: Thresholds) -> Verdict:
    """Return a verdict from the training pass rate; its problems vary by step, so it is never "unchanged"."""
    if passing.direction is Direction.UP:
        return Verdict.IMPROVED
    if passing.direction is Direction.DOWN:
        lost = -passing.change / passing.start
        return Verdict.COLLAPSED if lost >= t.collapse_loss else Verdict.WORSENED
    return Verdict.UNDECIDED
