"""`rlif diagnose PATH`: is this run collapsing? From anyone's training log."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from rlif.diagnostics import Alarm
from rlif.diagnostics.logs import LogFormat, LogOptions, diagnose_log, read_log
from rlif.errors import UserError


def diagnose(
    path: Annotated[Path, typer.Argument(help="A log file, or the directory of a run.")],
    format: Annotated[LogFormat | None, typer.Option(help="Of the log. Default: found out.")] = None,
    map: Annotated[
        list[str] | None, typer.Option(help="Which column is what: reward=my_column; may be repeated.")
    ] = None,
    run: Annotated[str | None, typer.Option(help="Its name, in an export of several.")] = None,
    stage_at: Annotated[
        list[int] | None, typer.Option(help="First step of a stage with another reward; may be repeated.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Follow a log that grows; Ctrl-C ends.")] = False,
    every: Annotated[float, typer.Option(help="[watch] Seconds between two looks.")] = 5.0,
    fail_on_alarm: Annotated[
        bool, typer.Option("--fail-on-alarm", help="Exit with code 1 on an alarm; it also ends --watch.")
    ] = False,
    without_tests: Annotated[
        bool, typer.Option("--without-tests", help="Look at nothing that needs tests.")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Name also the columns that were not used.")
    ] = False,
) -> None:
    """Say whether a run is collapsing, what shows it, and what its log does not let anyone see."""
    from rlif.cli.diagnose_display import print_report, summary

    options = LogOptions(format, _mapping(map or []), tuple(stage_at or ()), run)
    if watch:
        _watch(path, options, every, as_json, fail_on_alarm, not without_tests)
        return
    log = read_log(path, options)
    found = diagnose_log(log, use_tests=not without_tests)
    if as_json:
        typer.echo(json.dumps(summary(log, found), indent=2, ensure_ascii=False))
    else:
        print_report(Console(), log, found, verbose)
    if fail_on_alarm and found.alarm is Alarm.ALARM:
        raise typer.Exit(1)


def _watch(
    path: Path, options: LogOptions, every: float, as_json: bool, fail_on_alarm: bool, use_tests: bool
) -> None:
    """Print a line whenever the finding changes, until Ctrl-C."""
    from rlif.cli.diagnose_display import finding_line, summary
    from rlif.cli.diagnose_watch import watch_log

    if not every > 0:
        raise UserError(f"--every must be above 0; got {every:g}.")
    try:
        for reading in watch_log(path, options, every, use_tests):
            if isinstance(reading, UserError):
                typer.echo(f"Waiting: {reading}", err=True)
                continue
            log, found = reading
            typer.echo(
                json.dumps(summary(log, found), ensure_ascii=False) if as_json else finding_line(found)
            )
            if fail_on_alarm and found.alarm is Alarm.ALARM:
                raise typer.Exit(1)
    except KeyboardInterrupt:
        return


def _mapping(given: list[str]) -> dict[str, str]:
    """Return field -> column."""
    mapping: dict[str, str] = {}
    for item in given:
        field, equals, column = item.partition("=")
        if not (field and equals and column):
            raise UserError(f"--map {item} does not say which column is what.", "Write --map reward=COLUMN.")
        mapping[field] = column
    return mapping
