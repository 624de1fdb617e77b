"""Following a log that grows, for `rlif diagnose --watch`: by looking again, since that works on any disk."""

import time
from collections.abc import Iterator
from pathlib import Path

from rlif.diagnostics import Findings
from rlif.diagnostics.logs import Log, LogOptions, diagnose_log, read_log
from rlif.diagnostics.logs.find import files_below
from rlif.errors import UserError

Stamp = dict[Path, tuple[int, int]]


def watch_log(
    path: Path, options: LogOptions, every: float, use_tests: bool = True
) -> Iterator[tuple[Log, Findings] | UserError]:
    """Yield what was read and found at first, and whenever the finding is another; never ends.

    An error is yielded too, once: the log may not be there yet, or hold half a file.

    Args:
        path: log or directory; it need not exist yet.
        options: of the log.
        every: seconds between two looks.
        use_tests: whether to look at what needs tests.
    """
    seen: Stamp | None = None
    said: object = None
    while True:
        stamp = _stamp(path)
        if stamp != seen:
            seen = stamp
            try:
                log = read_log(path, options)
                found = diagnose_log(log, use_tests=use_tests)
            except UserError as error:
                reading, finding = error, str(error)
            else:
                signals = (*found.trends.items(), *found.probe.items())
                alarming = tuple(name for name, trend in signals if trend.alarming)
                reading, finding = (log, found), (found.alarm, found.mode, found.verdict, alarming)
            if finding != said:
                said = finding
                yield reading
        time.sleep(every)


def _stamp(path: Path) -> Stamp:
    """Return size and time of change of every file there."""
    stamp: Stamp = {}
    for file in (path, *files_below(path)):
        try:
            status = file.stat()
        except OSError:  # deleted meanwhile, or not there yet
            continue
        stamp[file] = (status.st_size, status.st_mtime_ns)
    return stamp
