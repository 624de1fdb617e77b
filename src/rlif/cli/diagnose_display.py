"""What `rlif diagnose` prints."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from rlif.diagnostics import Alarm, Findings, Thresholds, Verdict
from rlif.diagnostics.evidence import NAMES, percent, reading, since
from rlif.diagnostics.findings import ModeFinding, Trend
from rlif.diagnostics.logs import Log
from rlif.diagnostics.probe import HEALTHY
from rlif.diagnostics.signals import SIGNALS

_WORDS = {
    Alarm.ALARM: "ALARM: signs of collapse",
    Alarm.QUIET: "quiet: no sign of collapse in what the log holds",
    Alarm.UNDECIDED: "undecided: the log does not hold enough to say",
}


def print_report(console: Console, log: Log, found: Findings, verbose: bool = False) -> None:
    """Print what was read and found, with its evidence, every trend, the probe, and what cannot be judged."""

    def say(text: str = "") -> None:
        console.print(text, markup=False, highlight=False, soft_wrap=True)

    span = f"steps {log.first_step} to {log.last_step}" if log.rows else "no steps"
    scores = f", {len(log.evals)} held-out evaluations" if log.evals else ""
    say(f"Read {log.path} ({log.format}): {log.rows:,} rows, {span}{scores}.")
    if log.taken:
        say("Columns: " + ", ".join(f"{field} = {column}" for field, column in log.taken.items()))
    for note in log.notes:
        say(f"Note: {note}")
    if verbose and log.ignored:
        say("Not used: " + ", ".join(log.ignored))
    say()
    say(_WORDS[found.alarm])
    for mode in found.modes:
        say(_mode(mode))
    if found.verdict is not Verdict.UNDECIDED:
        say(f"verdict: {found.verdict}, from the {found.verdict_source}")
    for line in found.evidence:
        say(f"  - {line}")
    if found.trends:
        say()
        console.print(_trends(found, framed=console.is_terminal))
    if found.probe:
        say()
        console.print(_probe(found, framed=console.is_terminal))
    if log.missing:
        say("\nWhat this log does not show:")
        for line in log.missing:
            say(f"  - {line}")


def finding_line(found: Findings) -> str:
    """Return the finding in one line."""
    alarming = [
        f"{NAMES[name]} {reading(name, trend.start)} → {reading(name, trend.end)} since step {trend.onset}"
        for name, trend in (*found.trends.items(), *found.probe.items())
        if trend.alarming
    ]
    why = f" ({'; '.join(alarming)})" if alarming else ""
    return f"step {found.last_step}: {_WORDS[found.alarm]}{why}"


def _mode(found: ModeFinding) -> str:
    """Return a mode with its onset and how sure it is: "length collapse since step 19 (17 to 22) …"."""
    certain = "over 99.9%" if found.confidence > 0.999 else percent(found.confidence)
    sure = "" if math.isnan(found.confidence) else f", confidence {certain}"
    return f"{found.mode.replace('_', ' ')} since step {since(found)}{sure}"


def summary(log: Log, found: Findings) -> dict[str, Any]:
    """Return everything as plain values for JSON."""
    return {
        "path": str(log.path),
        "format": log.format,
        "rows": log.rows,
        "first_step": log.first_step,
        "last_step": log.last_step,
        "columns": log.taken,
        "notes": log.notes,
        "missing": log.missing,
        "not_used": log.ignored,
        "findings": found.model_dump(mode="json"),
    }


def _trends(found: Findings, framed: bool) -> Table:
    """Return a table of the signals of training steps."""

    def healthy(trend: Trend) -> str:
        signal = SIGNALS[trend.name]
        return _range(trend.name, *signal.healthy(trend.start, Thresholds())) if signal.can_alarm else "any"

    return _table("signal", found.trends, healthy, framed)


def _probe(found: Findings, framed: bool) -> Table:
    """Return a table of the signals of the evaluations' fixed problems."""

    def healthy(trend: Trend) -> str:
        low, high = HEALTHY[trend.name]
        return _range(trend.name, low * trend.start, high * trend.start) if trend.start else "any"

    return _table("on the same problems", found.probe, healthy, framed)


def _table(title: str, found: Mapping[str, Trend], healthy: Callable[[Trend], str], framed: bool) -> Table:
    table = Table(box=box.ROUNDED if framed else None)
    table.add_column(title, no_wrap=True)
    for column in ("start", "end", "change", "healthy", "out since step"):
        table.add_column(column, justify="right")
    for name, trend in sorted(found.items(), key=lambda item: not item[1].alarming):
        ratio = "" if math.isnan(trend.ratio) or trend.ratio <= 0 else f"×{trend.ratio:.2f}"
        table.add_row(
            name,
            reading(name, trend.start),
            reading(name, trend.end),
            f"{trend.direction} {ratio}".strip(),
            healthy(trend),
            since(trend) if trend.alarming else "",
            style="bold" if trend.alarming else None,
        )
    return table


def _range(name: str, low: float, high: float) -> str:
    """Return the range that a signal must not leave, in words."""
    if math.isinf(low):  # a share
        return f"up to {reading(name, min(high, 1.0))}"
    if math.isinf(high):
        return f"from {reading(name, low)}"
    return f"{reading(name, low)} to {reading(name, high)}"
