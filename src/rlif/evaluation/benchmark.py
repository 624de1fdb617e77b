"""`run_benchmark`: a model on a benchmark, from prompts to the record; killed at any moment, it continues.

Four steps, each kept on disk as it goes, under one key made of all that the samples follow from:

    generate   samples.jsonl    a line for each problem, as soon as its samples are drawn
    grade      verdicts.jsonl   a line for each sample
    score      scores.jsonl     a line for each problem: what rewards say of its samples
    record     evals.jsonl      one `BenchmarkRecord`

Grading is repeated after a kill (it gives the same verdicts, and is quick beside the rest), the others not.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rlif.diagnostics.selection import Selection, selection
from rlif.errors import UserError
from rlif.evaluation.breakdown import breakdown
from rlif.evaluation.evaluate import Evaluation, Sample, evaluate
from rlif.evaluation.sampling import Generator, Sampling
from rlif.evaluation.scoring import TokenScorer, label, score_samples
from rlif.evaluation.store import KeyedLines, StoredGenerator, settings_key
from rlif.grading import Mode
from rlif.problems.prompts import Prompt
from rlif.problems.types import Problem
from rlif.records import BenchmarkRecord, RunDir
from rlif.rewards import Reward
from rlif.rewards.base import Scores
from rlif.sandbox import Sandbox

Progress = Callable[[str, int, int], None]
"""Told what is being done, how many problems are through, and of how many."""


@dataclass(frozen=True, slots=True)
class Contestant:
    """Who is evaluated.

    Attributes:
        name: as the user calls it.
        identity: tells weights apart, not only names; see `settings_key`.
        generator: draws its completions.
        settings: what they follow from beside model, prompts and sampling.
        token_scorer: its token statistics, where it is in this process.
    """

    name: str
    identity: str
    generator: Generator
    settings: tuple[object, ...] = ()
    token_scorer: TokenScorer | None = None


@dataclass(frozen=True, slots=True)
class Benchmark:
    """What it is evaluated on, and how.

    Attributes:
        data: the problems' name, as the user gave it.
        problems: what to answer. prompts: one for each. style: of the prompts.
        sampling: how completions are drawn.
        mode: how programs are judged.
        rewards: scores to select samples by; see `rlif.evaluation.scoring.scorable`.
    """

    data: str
    problems: Sequence[Problem]
    prompts: Sequence[Prompt]
    style: str
    sampling: Sampling
    mode: Mode = Mode.NATIVE
    rewards: Sequence[Reward] = field(default=())

    @property
    def window(self) -> tuple[str, str] | None:
        """First and last date of its problems; None if they have none."""
        dates = sorted(problem.date for problem in self.problems if problem.date is not None)
        return (str(dates[0]), str(dates[-1])) if dates else None


def run_benchmark(
    contestant: Contestant,
    benchmark: Benchmark,
    directory: RunDir,
    sandbox: Sandbox,
    on_progress: Progress = lambda what, done, total: None,
) -> BenchmarkRecord:
    """Evaluate, or continue an evaluation that was interrupted; one that is complete is only read.

    Args:
        contestant: who.
        benchmark: on what.
        directory: of the results; several evaluations may share it.
        sandbox: where programs run; entered.
        on_progress: called after each problem of each step.

    Raises:
        UserError: no prompt fits the model's context, two problems have one id, or a back end gives up.
    """
    ids = [problem.id for problem in benchmark.problems]
    if len(set(ids)) < len(ids):
        double = next(i for i in ids if ids.count(i) > 1)
        raise UserError(f"Two problems of '{benchmark.data}' have the id '{double}'.", "Give each its own.")
    key = settings_key(contestant.identity, benchmark.prompts, benchmark.sampling, ids, *contestant.settings)
    if known := finished(directory, key, benchmark):
        return known
    directory.path.mkdir(parents=True, exist_ok=True)

    def lines(name: str) -> KeyedLines:
        return KeyedLines(directory.path / f"{name}.jsonl", key)

    evaluation = evaluate(
        StoredGenerator(contestant.generator, lines("samples"), ids),
        benchmark.problems,
        benchmark.prompts,
        sandbox,
        benchmark.sampling,
        on_progress=lambda done: on_progress("Answering", done, len(ids)),
        mode=benchmark.mode,
    )
    lines("verdicts").replace(_verdict(sample) for sample in evaluation.samples)
    scores = _scores(contestant, benchmark, evaluation, sandbox, lines("scores"), on_progress)
    record = _record(contestant, benchmark, evaluation, scores, key)
    directory.append_eval(record)
    return record


def finished(directory: RunDir, key: str, benchmark: Benchmark) -> BenchmarkRecord | None:
    """Return the record of the same evaluation, judged and scored in the same way, if there is one."""
    wanted = {label(reward) for reward in benchmark.rewards}
    for record in directory.evals() if directory.exists else ():
        if getattr(record, "key", None) == key:
            known = BenchmarkRecord.model_validate(record.model_dump())
            if known.grading == benchmark.mode and wanted <= set(known.selection):
                return known
    return None


def _verdict(sample: Sample) -> dict[str, Any]:
    """Return a line as `rlif grade` writes them."""
    return {
        "question_id": sample.problem_id,
        "index": sample.index,
        "passed": sample.verdict.passed,
        "tests": sample.verdict.tests,
        "status": sample.verdict.status,
    }


def _scores(
    contestant: Contestant,
    benchmark: Benchmark,
    evaluation: Evaluation,
    sandbox: Sandbox,
    lines: KeyedLines,
    on_progress: Progress,
) -> dict[str, dict[str, Scores]]:
    """Return problem id -> label -> scores of its samples, from the file as far as they are there."""
    if not benchmark.rewards:
        return {}
    index_of = {problem.id: index for index, problem in enumerate(benchmark.problems)}
    wanted = [label(reward) for reward in benchmark.rewards]
    found = {
        row["question_id"]: {name: np.array(row["scores"][name], dtype=float) for name in wanted}
        for row in lines
        if set(wanted) <= set(row["scores"])
    }
    answered = {
        index_of[problem_id]: [sample.completion for sample in samples]
        for problem_id, samples in by_problem(evaluation.samples).items()
    }
    missing = {index: group for index, group in answered.items() if benchmark.problems[index].id not in found}
    for index, scores in score_samples(
        missing,
        benchmark.problems,
        benchmark.prompts,
        benchmark.rewards,
        sandbox,
        contestant.token_scorer,
    ):
        problem_id = benchmark.problems[index].id
        found[problem_id] = scores
        lines.append({"question_id": problem_id, "scores": {name: _json(s) for name, s in scores.items()}})
        on_progress("Scoring", len(found), len(answered))
    return found


def by_problem(samples: Sequence[Sample]) -> dict[str, list[Sample]]:
    """Return the samples of each problem, in their order."""
    found: dict[str, list[Sample]] = {}
    for sample in samples:
        found.setdefault(sample.problem_id, []).append(sample)
    return found


def _json(scores: Scores) -> list[float | None]:
    return [None if np.isnan(score) else float(score) for score in scores]


def _selections(
    evaluation: Evaluation, scores: dict[str, dict[str, Scores]], rewards: Sequence[Reward]
) -> dict[str, Selection]:
    right = {
        problem_id: np.array([sample.verdict.passed for sample in samples])
        for problem_id, samples in by_problem(evaluation.samples).items()
    }
    return {
        (name := label(reward)): selection([scores[i][name] for i in right], list(right.values()))
        for reward in rewards
    }


def _record(
    contestant: Contestant,
    benchmark: Benchmark,
    evaluation: Evaluation,
    scores: dict[str, dict[str, Scores]],
    key: str,
) -> BenchmarkRecord:
    record, sampling = evaluation.record, benchmark.sampling
    found = _selections(evaluation, scores, benchmark.rewards)
    return BenchmarkRecord(
        **record.model_dump(),
        key=key,
        model=contestant.name,
        data=benchmark.data,
        prompt=benchmark.style,
        window=benchmark.window,
        top_p=sampling.top_p,
        seed=sampling.seed,
        stop=sampling.stop,
        grading=benchmark.mode.value,
        skipped=len(evaluation.skipped),
        groups=breakdown(benchmark.problems, record.correct, record.samples),
        selection={name: value.model_dump() for name, value in found.items()},
    )
