"""`evaluate`: generate, grade, score. `observe`: the same without tests."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from rlif.diagnostics.health import has_reasoning, lengths, mean, summarise_completions
from rlif.errors import UserError
from rlif.evaluation.sampling import Generator, Sampling
from rlif.grading import Mode, Verdict, bootstrap_ci, defined_ks, grade, pass_at_k
from rlif.problems.prompts import Prompt
from rlif.problems.types import Problem
from rlif.records import EvalRecord
from rlif.rollouts import Completion
from rlif.sandbox import Sandbox

_GRADERS = 4
"""Prompts graded at a time beside the generation of others; the sandbox has its own number of workers."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One completion of one problem, and the judgement of its program."""

    problem_id: str
    index: int
    completion: Completion
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The scores, what they were computed from, and what could not be evaluated.

    Attributes:
        record: one line of evals.jsonl.
        samples: in the order of the problems, then of the samples.
        skipped: ids of problems whose prompt does not fit the model's context; no score counts them.
    """

    record: EvalRecord
    samples: tuple[Sample, ...]
    skipped: tuple[str, ...]


def evaluate(
    generator: Generator,
    problems: Sequence[Problem],
    prompts: Sequence[Prompt],
    sandbox: Sandbox,
    sampling: Sampling,
    on_progress: Callable[[int], None] | None = None,
    mode: Mode = Mode.NATIVE,
    step: int = 0,
    stage: str = "",
) -> Evaluation:
    """Evaluate a policy on problems, in one sampling mode.

    Programs are graded while other completions are still being generated.

    Args:
        generator: draws the completions.
        problems: what to answer.
        prompts: one for each problem.
        sandbox: where the programs run; entered already.
        sampling: how many completions a problem, and how they are drawn.
        on_progress: called with the number of problems answered, after each.
        mode: by which programs are judged.
        step: training steps before this evaluation, for the record.
        stage: training stage, for the record.

    Raises:
        UserError: no prompt fits the model's context.
    """
    started = time.perf_counter()
    answers: dict[int, list[Completion]] = {}
    verdicts: dict[int, Future[list[Verdict]]] = {}
    graders = ThreadPoolExecutor(_GRADERS, thread_name_prefix="rlif-grading")
    try:
        for index, completions in generator.generate(prompts, sampling):
            pairs = [(problems[index], completion.code) for completion in completions]
            answers[index] = completions
            verdicts[index] = graders.submit(grade, pairs, sandbox, mode, all_tests=False)
            if on_progress is not None:
                on_progress(len(answers))
        samples = tuple(
            Sample(problems[index].id, number, completion, verdict)
            for index in sorted(answers)
            for number, (completion, verdict) in enumerate(
                zip(answers[index], verdicts[index].result(), strict=True)
            )
        )
    finally:
        graders.shutdown(cancel_futures=True)
    _check(answers, sampling)
    record = EvalRecord(
        step=step,
        stage=stage,
        problems=len(answers),
        **_settings(sampling),
        **scores(samples, sampling.samples),
        seconds=time.perf_counter() - started,
    )
    skipped = tuple(problem.id for index, problem in enumerate(problems) if index not in answers)
    return Evaluation(record, samples, skipped)


def observe(
    generator: Generator,
    problems: Sequence[Problem],
    prompts: Sequence[Prompt],
    sampling: Sampling,
    step: int = 0,
    stage: str = "",
) -> EvalRecord:
    """Record how a policy answers problems, without judging the answers: no program runs, no test is read.

    Same draws as `evaluate`. In the record all that needs tests is undefined: pass@k NaN, `correct` and
    `statuses` empty. Length, reasoning and programs are there, over all completions and by problem.

    Args:
        generator: draws the completions.
        problems: what to answer; each evaluation of a run should have the same.
        prompts: one for each problem.
        sampling: how many completions a problem, and how they are drawn.
        step: training steps before this evaluation, for the record.
        stage: training stage, for the record.

    Raises:
        UserError: no prompt fits the model's context.
    """
    started = time.perf_counter()
    answers = dict(generator.generate(prompts, sampling))
    _check(answers, sampling)
    of_problem = {problems[index].id: answers[index] for index in sorted(answers)}
    described: dict[str, Any] = summarise_completions([c for own in of_problem.values() for c in own])
    return EvalRecord(
        step=step,
        stage=stage,
        problems=len(answers),
        **_settings(sampling),
        **by_problem(of_problem),
        **described,
        seconds=time.perf_counter() - started,
    )


def _check(answers: Mapping[int, Sequence[Completion]], sampling: Sampling) -> None:
    if not answers:
        raise UserError(
            f"No prompt fits the model's context together with max_tokens = {sampling.max_tokens}.",
            "Lower max_tokens.",
        )


def _settings(sampling: Sampling) -> dict[str, Any]:
    """Return the fields of `EvalRecord` that say how completions were drawn."""
    return {name: getattr(sampling, name) for name in ("mode", "samples", "temperature", "max_tokens")}


def scores(samples: Sequence[Sample], per_problem: int) -> dict[str, Any]:
    """Return the fields of `EvalRecord` that follow from judged samples, `per_problem` for each problem."""
    of_problem: dict[str, list[Sample]] = {}
    for sample in samples:
        of_problem.setdefault(sample.problem_id, []).append(sample)
    correct = {name: sum(s.verdict.passed for s in own) for name, own in of_problem.items()}

    rates = {
        k: np.array([pass_at_k(per_problem, right, k) for right in correct.values()])
        for k in defined_ks(per_problem)
    }
    return {
        "pass_at_1": float(rates[1].mean()),
        "pass_at_1_ci": bootstrap_ci(rates[1]),
        "pass_at_k": {str(k): float(values.mean()) for k, values in rates.items() if k > 1},
        "pass_at_k_ci": {str(k): bootstrap_ci(values) for k, values in rates.items() if k > 1},
        "statuses": dict(Counter(str(sample.verdict.status) for sample in samples)),
        "correct": correct,
        **by_problem({name: [s.completion for s in own] for name, own in of_problem.items()}),
        **summarise_completions([s.completion for s in samples], [s.verdict.passed for s in samples]),
    }


def by_problem(of_problem: Mapping[str, Sequence[Completion]]) -> dict[str, Any]:
    """Return the fields of `EvalRecord` that say how each problem is answered, right or wrong."""
    return {
        "lengths": {name: mean(lengths(own)) for name, own in of_problem.items()},
        "reasoned": {name: sum(map(has_reasoning, own)) for name, own in of_problem.items()},
    }
