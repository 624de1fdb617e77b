"""Several seeds of one thing -> one series of steps, one of evaluations, one diagnosis.

Steps are means over the runs. Scores x_sp of S seeds on P problems get the interval of crossed random effects
(`rlif.statistics.crossed`). The best of E evaluations was picked, so gain to the peak and drop from it take
the level 1 − 5% / (E − 1) (Bonferroni).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rlif.diagnostics import Findings, Interval, Thresholds, diagnose
from rlif.diagnostics.findings import Performance, Score
from rlif.diagnostics.performance import verdict_of
from rlif.records import EvalRecord, StepRecord
from rlif.statistics import crossed
from rlif.statistics.estimate import LEVEL, Estimate

Floats = NDArray[np.floating[Any]]
Mode = Literal["sampled", "greedy"]

OF_ANSWERS = ("length_mean", "reasoning_share", "reasoning_rate", "truncated", "no_code")
MODES: tuple[Mode, Mode] = ("sampled", "greedy")


def mean_steps(runs: Sequence[Sequence[StepRecord]]) -> list[StepRecord]:
    """Return the mean of each number at each step that all runs recorded; NaN where no run defines it."""
    if len(runs) == 1:
        return list(runs[0])
    by_step = [{record.step: record for record in steps} for steps in runs]
    shared = sorted(set[int].intersection(*(set(steps) for steps in by_step)))
    return [_mean_step([steps[number] for steps in by_step]) for number in shared]


def pooled_evals(runs: Sequence[Sequence[EvalRecord]]) -> list[EvalRecord]:
    """Return one evaluation for each step and mode that all runs share: all their samples together."""
    if len(runs) == 1:
        return list(runs[0])
    by_key = [{(record.step, record.mode): record for record in evals} for evals in runs]
    shared = sorted(key for key in by_key[0] if all(key in evals for evals in by_key))
    return [_pooled_eval([evals[key] for evals in by_key]) for key in shared]


def pooled_findings(
    steps: Sequence[StepRecord], evals: Sequence[EvalRecord], runs: Sequence[Sequence[EvalRecord]]
) -> Findings:
    """Diagnose means over seeds, with intervals of held-out performance that allow for other seeds.

    Args:
        steps: of `mean_steps`.
        evals: of `pooled_evals`.
        runs: the evaluations of each run.
    """
    found = diagnose(steps, evals)
    if found.performance is not None:
        found.performance = _performance(found.performance.mode, evals, runs)
        if found.verdict_source == "held-out tests":
            found.verdict = verdict_of(found.performance, Thresholds())
    return found


def scores(runs: Sequence[Sequence[EvalRecord]], mode: Mode, step: int) -> dict[str, list[float]]:
    """Return the share of right samples of each problem that all runs were judged on, one entry a run."""
    records = [r for evals in runs for r in evals if r.step == step and r.mode == mode]
    shared = (
        [name for name in records[0].correct if all(name in r.correct for r in records)] if records else []
    )
    return {name: [r.correct[name] / r.samples for r in records] for name in shared}


def table(of_problem: dict[str, list[float]], problems: Sequence[str]) -> Floats:
    """Return `scores` as an array [S, P]."""
    return np.array([of_problem[name] for name in problems], dtype=float).T.reshape(-1, len(problems))


def as_interval(estimate: Estimate) -> Interval:
    """Return an estimate of `rlif.statistics` as findings hold it."""
    return Interval(estimate=estimate.estimate, low=estimate.low, high=estimate.high)


def _mean_step(records: Sequence[StepRecord]) -> StepRecord:
    first = records[0]
    fields = [name for name in StepRecord.model_fields if isinstance(getattr(first, name), float)]
    means = {name: _mean([getattr(record, name) for record in records]) for name in fields}
    of_step = {"step": first.step, "stage": first.stage, "tokens": first.tokens}
    return StepRecord.model_validate(of_step | means)


def _pooled_eval(records: Sequence[EvalRecord]) -> EvalRecord:
    first = records[0]
    of_problem = scores([[record] for record in records], first.mode, first.step)
    found = crossed.mean(table(of_problem, list(of_problem))) if of_problem else Estimate()
    score = found.estimate if of_problem else _mean([record.pass_at_1 for record in records])
    means = {name: _mean([getattr(record, name) for record in records]) for name in OF_ANSWERS}
    own = {
        "samples": sum(record.samples for record in records),
        "problems": len(of_problem) or first.problems,
        "pass_at_1": score,
        "pass_at_1_ci": (found.low, found.high),
        "correct": {name: sum(record.correct[name] for record in records) for name in of_problem},
        "lengths": _by_problem(_mean, [record.lengths for record in records]),
        "reasoned": _by_problem(sum, [record.reasoned for record in records]),
    }
    same = {name: getattr(first, name) for name in ("step", "stage", "mode", "temperature", "max_tokens")}
    return EvalRecord.model_validate(same | means | own)


def _by_problem(put_together: Callable[[list[float]], float], of_runs: Sequence[Mapping[str, float]]) -> Any:
    """Return one value for each problem that all runs have one of."""
    shared = [name for name in of_runs[0] if all(name in values for values in of_runs)]
    return {name: put_together([values[name] for values in of_runs]) for name in shared}


def _performance(
    mode: Mode, evals: Sequence[EvalRecord], runs: Sequence[Sequence[EvalRecord]]
) -> Performance:
    judged = [record for record in evals if record.mode == mode and np.isfinite(record.pass_at_1)]
    peak = int(np.argmax([record.pass_at_1 for record in judged]))
    start, best, end = judged[0], judged[peak], judged[-1]
    picked = 1 - (1 - LEVEL) / max(len(judged) - 1, 1)

    def change(later: EvalRecord, earlier: EvalRecord, level: float) -> Interval:
        a, b = scores(runs, mode, later.step), scores(runs, mode, earlier.step)
        shared = [name for name in a if name in b]
        return as_interval(crossed.mean(table(a, shared) - table(b, shared), level))

    return Performance(
        mode=mode,
        evaluations=len(judged),
        problems=len(start.correct),
        samples=start.samples,
        start=_score(start, evals),
        peak=_score(best, evals),
        end=_score(end, evals),
        gain=change(best, start, picked),
        drop=change(best, end, picked),
        change=change(end, start, LEVEL),
    )


def _score(at: EvalRecord, evals: Sequence[EvalRecord]) -> Score:
    found = {record.mode: record for record in evals if record.step == at.step}
    intervals = {
        mode: Interval(estimate=r.pass_at_1, low=r.pass_at_1_ci[0], high=r.pass_at_1_ci[1])
        for mode in MODES
        if (r := found.get(mode)) is not None
    }
    return Score(step=at.step, length=at.length_mean, reasoning_share=at.reasoning_share, **intervals)


def _mean(values: Sequence[float]) -> float:
    defined = [value for value in values if np.isfinite(value)]
    return float(np.mean(defined)) if defined else float("nan")
