"""What `rlif problems` prints."""

import statistics as st
from collections.abc import Iterator, Sequence
from itertools import chain

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from rlif.problems.describe import Description
from rlif.problems.types import Problem, TestCase

_LONGEST_TEST = 2000
"""Characters of an input or output that are shown; some tests are megabytes."""


def listing(problems: Sequence[Problem]) -> Table:
    """Return a table of problems, one a row."""
    table = Table("id", "date", "platform", "difficulty", "statement", box=None)
    table.columns[0].no_wrap = True
    for problem in problems:
        date = problem.date.isoformat() if problem.date else ""
        words = " ".join(problem.statement.split()[:10])
        table.add_row(
            problem.id, date, problem.platform, problem.difficulty, Text(words, overflow="ellipsis")
        )
    return table


def problem_text(problem: Problem, hidden: bool) -> str:
    """Return one problem for reading; its hidden tests only if asked for."""
    facts = [problem.source, problem.platform, problem.difficulty, str(problem.date or "")]
    parts = [f"{problem.id}  ({', '.join(filter(None, facts))})", problem.statement.strip()]
    if problem.starter_code:
        parts.append(f"Starter code:\n{problem.starter_code.rstrip()}")
    parts += _test_texts("Public test", problem.public_tests)
    if hidden:
        parts += _test_texts("Hidden test", problem.hidden_tests)
    parts.append(f"{len(problem.public_tests)} public tests, {len(problem.hidden_tests)} hidden.")
    return "\n\n".join(parts)


def statistics(name: str, facts: Description, hidden_tests: Sequence[int] | None) -> Iterator[RenderableType]:
    """Yield the tables of a data set.

    Args:
        name: of the data set.
        facts: its counts.
        hidden_tests: number of hidden tests of each problem, or None if not counted.
    """
    yield Text(f"{name}: {facts.headline}", "bold")
    if facts.undated and facts.first:
        yield Text(f"{facts.undated:,} without a date")
    for what, counts in (
        ("platform", facts.platforms),
        ("difficulty", facts.difficulties),
        ("month", facts.months),
    ):
        if any(counts):
            yield _count_table(what, counts)
    tests = Table("tests a problem", "least", "median", "most", "all")
    tests.add_row("public", *_spread(facts.public_tests))
    if hidden_tests is not None:
        tests.add_row("hidden", *_spread(hidden_tests))
    yield tests


def _test_texts(title: str, tests: Sequence[TestCase]) -> list[str]:
    return [
        f"{title} {number}\n{_indented('input', test.input)}\n{_indented('output', test.output)}"
        for number, test in enumerate(tests, start=1)
    ]


def _indented(what: str, text: str) -> str:
    cut = text if len(text) <= _LONGEST_TEST else f"{text[:_LONGEST_TEST]}… ({len(text):,} characters)"
    return "\n".join(chain([f"  {what}:"], (f"    {line}" for line in cut.rstrip("\n").split("\n"))))


def _count_table(what: str, counts: dict[str, int]) -> Table:
    table = Table(what, "problems")
    table.columns[1].justify = "right"
    for word, count in counts.items():
        table.add_row(word or "unknown", f"{count:,}")
    return table


def _spread(counts: Sequence[int]) -> list[str]:
    return [f"{min(counts):,}", f"{st.median(counts):g}", f"{max(counts):,}", f"{sum(counts):,}"]
