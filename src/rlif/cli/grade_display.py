"""What `rlif grade` says: on stderr what is wrong and how far it is, on stdout the summary."""

import math
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Self

from rich import box
from rich.console import Console
from rich.status import Status
from rich.table import Table

from rlif.cli.bars import bar
from rlif.grading import VerdictStatus
from rlif.grading.summary import Tally, costliest, pass_at_ks
from rlif.grading.verdict_file import Settings
from rlif.problems.jsonl import BadLine

_MOST_LINES = 1000
"""Bad lines that are named for each file; a wrong file can have millions."""

_COSTLIEST = 5
_SECONDS_BETWEEN_LINES = 30.0


class Notices:
    """Messages on stderr.

    Attributes:
        bad: the number of lines of each file that could not be used.
    """

    def __init__(self) -> None:
        self.console = Console(stderr=True)
        self.bad: Counter[Path] = Counter()

    def say(self, text: str) -> None:
        """Print one message."""
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def status(self, text: str) -> Status:
        """Return a context manager that shows, on a terminal, what is being waited for."""
        return self.console.status(text)

    def bad_lines(self, path: Path, lines: Iterable[BadLine]) -> None:
        """Name lines of a file that could not be used."""
        for line in lines:
            self.bad[path] += 1
            if self.bad[path] <= _MOST_LINES:
                end = "" if line.reason.endswith("?") else "."
                self.say(f"{path}, line {line.number}: {line.reason}{end}")
            elif self.bad[path] == _MOST_LINES + 1:
                self.say(f"{path}: more lines like these are counted, but not named.")

    def count_bad_lines(self) -> None:
        """Say how many there were, where it is seen after a long run."""
        for path, number in self.bad.items():
            self.say(f"{number:,} {'line' if number == 1 else 'lines'} of {path} could not be used.")


class Progress:
    """How far grading is, with the time left: a bar on a terminal, elsewhere a line now and then.

    A context manager. done counts the samples that had a verdict at the start.
    """

    def __init__(self, console: Console, done: int, total: int) -> None:
        self._console = console
        self._done_before = self._done = done
        self._total = total
        self._started = self._said = time.monotonic()
        self._bar = bar(console) if console.is_terminal else None
        if self._bar:
            self._task = self._bar.add_task("Grading", numbers="", total=total, completed=done)

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar:
            self._bar.stop()

    def advance(self, tally: Tally) -> None:
        """Count one more; tally is of all so far."""
        self._done += 1
        if self._bar:
            passing = tally.statuses[VerdictStatus.PASSED] / tally.programs
            self._bar.update(self._task, completed=self._done, numbers=f"passing {passing:.1%}")
        elif time.monotonic() - self._said >= _SECONDS_BETWEEN_LINES:
            self._said = time.monotonic()
            pace = (self._said - self._started) / (self._done - self._done_before)
            left = pace * (self._total - self._done) / 60
            self._console.print(
                f"Graded {self._done:,} of {self._total:,}; {left:,.1f} minutes left", highlight=False
            )


def print_summary(console: Console, tally: Tally, settings: Settings, problems: int) -> None:
    """Print pass@k, how programs ended and which problems cost most; without frames if not on a terminal."""
    counts = [one.programs for one in tally.problems.values()]
    each = f"{min(counts)}" if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"
    console.print(
        f"{tally.programs:,} programs for {len(counts):,} of {problems:,} problems, {each} each; mode "
        f"{settings.mode}, isolation {settings.isolation}",
        highlight=False,
    )
    if min(counts) < max(counts):
        console.print("Each pass@k is over the problems with at least k programs.", highlight=False)
    for table in (_pass_at_k_table(tally), _status_table(tally), _cost_table(tally)):
        if table.row_count:
            table.box = box.ROUNDED if console.is_terminal else None
            console.print(table)
            console.print()


def _pass_at_k_table(tally: Tally) -> Table:
    table = _table("", "value", "95% interval", "problems")
    for row in pass_at_ks(tally.problems.values()):
        interval = "-" if math.isnan(row.low) else f"{row.low:.3f} to {row.high:.3f}"
        table.add_row(f"pass@{row.k}", f"{row.estimate:.3f}", interval, f"{row.problems:,}")
    return table


def _status_table(tally: Tally) -> Table:
    table = _table("status", "programs", "share")
    for status, count in tally.statuses.most_common():
        table.add_row(status, f"{count:,}", f"{count / tally.programs:.1%}")
    return table


def _cost_table(tally: Tally) -> Table:
    table = _table("slowest problems", "programs", "CPU s a program", "timeouts")
    for cost in costliest(tally, _COSTLIEST):
        table.add_row(cost.question_id, f"{cost.programs:,}", f"{cost.mean_cpu_s:.3f}", f"{cost.timeouts:,}")
    return table


def _table(first: str, *others: str) -> Table:
    table = Table()
    table.add_column(first, overflow="fold")
    for name in others:
        table.add_column(name, justify="right")
    return table
