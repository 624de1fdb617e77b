"""Recommendations computed from results, each with its numbers and runs; silent where these do not decide.

    for r in recommend(pl.read_parquet("results.parquet")):
        print(r.advice or r.needed)

An answer is given only where an interval that is corrected for everything its question asked excludes no
effect. docs/recommendations.md says what each rule does.
"""

from collections.abc import Sequence
from pathlib import Path

import polars as pl
from pydantic import TypeAdapter

from rlif.conclusions.claims import Results, Rules
from rlif.conclusions.recommendations.duration import duration
from rlif.conclusions.recommendations.prose import markdown
from rlif.conclusions.recommendations.reward import best_reward, worst_reward
from rlif.conclusions.recommendations.settings import settings
from rlif.conclusions.recommendations.signals import signals
from rlif.conclusions.recommendations.stopping import stopping
from rlif.conclusions.recommendations.tests_worth import begin, without_tests
from rlif.conclusions.recommendations.types import Answer, Question, Recommendation, question
from rlif.records.files import write_atomic

__all__ = ["QUESTIONS", "Answer", "Question", "Recommendation", "markdown", "question", "recommend", "write"]

QUESTIONS = (best_reward, worst_reward, duration, stopping, settings, without_tests, begin, signals)


def recommend(
    frame: pl.DataFrame, questions: Sequence[Question] = QUESTIONS, rules: Rules | None = None
) -> list[Recommendation]:
    """Answer questions from a results table, each by itself, whatever the order of its rows.

    Args:
        frame: a row for each evaluation of each run; the sampled ones are used where there are any.
        questions: in the order wanted.
        rules: margin and error rate; None: those stated in `Rules`.

    Raises:
        UserError: the table lacks columns.
    """
    keys = [name for name in ("study", "run", "mode", "step") if name in frame.columns]
    results, rules = Results(frame.sort(keys) if keys else frame), rules or Rules()
    return [found for ask in questions for found in ask(results, rules)]


def write(directory: Path, recommendations: Sequence[Recommendation]) -> tuple[Path, Path]:
    """Write recommendations.json and recommendations.md into a directory, and return their paths.

    Raises:
        UserError: they cannot be written.
    """
    data, prose = directory / "recommendations.json", directory / "recommendations.md"
    listed = TypeAdapter(list[Recommendation]).dump_json(list(recommendations), indent=2)
    write_atomic(data, listed + b"\n")
    write_atomic(prose, markdown(recommendations).encode())
    return data, prose
