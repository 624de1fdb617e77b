"""The tables of `rlif evaluate` and `rlif compare`."""

import math
from collections.abc import Iterable, Sequence

from rich.box import SIMPLE
from rich.table import Table

from rlif.diagnostics import Interval
from rlif.diagnostics.paired import Paired
from rlif.diagnostics.selection import Selection
from rlif.records import BenchmarkRecord


def summary(record: BenchmarkRecord) -> Table:
    """Return what the evaluation came to: scores, samples, verdicts."""
    window = f", {record.window[0]} to {record.window[1]}" if record.window else ""
    table = Table(
        title=f"{record.model} on {record.data}: {record.problems} problems{window}", show_header=False
    )
    low, high = record.pass_at_1_ci
    right, total = sum(record.correct.values()), record.problems * record.samples
    table.add_row(
        "pass@1", f"{record.pass_at_1:.3f}  [{low:.3f}, {high:.3f}]  ({right} of {total})", end_section=True
    )
    for k, rate in record.pass_at_k.items():
        low, high = record.pass_at_k_ci[k]
        table.add_row(f"pass@{k}", f"{rate:.3f}  [{low:.3f}, {high:.3f}]")
    drawn = f"{record.samples} a problem at temperature {record.temperature:g}"
    table.add_row("samples", f"{drawn}, at most {record.max_tokens} tokens")
    table.add_row("prompt", f"{record.prompt}; programs judged as in mode {record.grading}")
    table.add_row("verdicts", ", ".join(f"{word} {n}" for word, n in sorted(record.statuses.items())))
    table.add_row("mean length", f"{record.length_mean:.0f} tokens; {record.truncated:.1%} cut at the limit")
    table.add_row(
        "reasoning", f"{_share(record.reasoning_share)} of tokens, {_share(record.reasoning_rate)} of answers"
    )
    table.add_row("no program", f"{record.no_code:.1%}")
    if record.skipped:
        table.add_row("skipped", f"{record.skipped} problems: prompt longer than the model's context allows")
    table.add_row("time", f"{record.seconds:.0f} s")
    return table


def groups(record: BenchmarkRecord) -> Iterable[Table]:
    """Return a table for each dimension by which the problems differ."""
    for name, scores in record.groups.items():
        table = Table(title=f"by {name}", title_justify="left", box=SIMPLE, pad_edge=False)
        for column in (name, "problems", "pass@1", "95% interval"):
            table.add_column(column, justify="left" if column == name else "right")
        for group, score in scores.items():
            low, high = score.pass_at_1_ci
            table.add_row(group, str(len(score.ids)), f"{score.pass_at_1:.3f}", f"[{low:.3f}, {high:.3f}]")
        yield table


def selections(record: BenchmarkRecord) -> Table:
    """Return how well each score picks the right one among the samples of a problem."""
    found = {name: Selection.model_validate(value) for name, value in record.selection.items()}
    first = next(iter(found.values()))
    table = Table(
        title=f"Does a score pick the right one of {record.samples} samples?",
        caption=f"random choice {first.random.estimate:.3f}, perfect choice {first.oracle:.3f}; "
        f"AUROC within the {first.mixed} problems with right and wrong samples, 0.5 is chance",
        title_justify="left",
        box=SIMPLE,
        pad_edge=False,
    )
    table.add_column("score", overflow="fold")
    for column in ("AUROC", f"best of {record.samples}", "gain, points"):
        table.add_column(column, justify="right", no_wrap=True)
    for name, value in sorted(found.items(), key=lambda item: -_or(item[1].auroc.estimate, -1.0)):
        table.add_row(name, interval(value.auroc), f"{value.best.estimate:.3f}", points(value.gain))
    return table


def comparison(paired: Paired, names: Sequence[str]) -> Table:
    """Return two evaluations on the same problems side by side, all problems first, then by group."""
    table = Table(
        title=f"pass@1 on the {paired.problems} problems that both answered",
        caption="difference with its 95% interval, paired over problems",
        title_justify="left",
        box=SIMPLE,
        pad_edge=False,
    )
    table.add_column("problems")
    for column in ("n", *names, "points", "better", "worse"):
        table.add_column(column, justify="right")
    for row in paired.rows:
        table.add_row(
            row.group,
            str(row.problems),
            f"{row.first:.3f}",
            f"{row.second:.3f}",
            points(row.difference),
            str(row.better),
            str(row.worse),
        )
    return table


def interval(value: Interval) -> str:
    """Return an estimate and its interval, or a dash where it is undefined."""
    if math.isnan(value.estimate):
        return "–"
    return f"{value.estimate:.3f} [{value.low:.3f}, {value.high:.3f}]"


def points(value: Interval) -> str:
    """Return a difference and its interval in percentage points, or a dash where it is undefined."""
    if math.isnan(value.estimate):
        return "–"
    return f"{100 * value.estimate:+.1f} [{100 * value.low:+.1f}, {100 * value.high:+.1f}]"


def _share(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.1%}"


def _or(value: float, otherwise: float) -> float:
    return otherwise if math.isnan(value) else value
