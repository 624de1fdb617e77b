"""Where the log is in what a user names: a file of some format, or a directory that holds one."""

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from rlif.errors import UserError


class LogFormat(StrEnum):
    """How a log is stored. W&B and trackio export to CSV, JSON and parquet."""

    RLIF = "rlif"  # a run directory of rlif
    TRAINER_STATE = "trainer-state"  # trainer_state.json of transformers and TRL
    TENSORBOARD = "tensorboard"  # event files
    TRACKIO = "trackio"  # a project's SQLite database
    PARQUET = "parquet"
    JSON = "json"  # an array or lines of objects
    CSV = "csv"
    CONSOLE = "console"  # what verl and OpenRLHF print


@dataclass(frozen=True, slots=True)
class FoundLog:
    """A log: its file (the directory for rlif's runs and event files), its format, other logs beside it.

    The format is None for a text file: its content decides.
    """

    path: Path
    format: LogFormat | None
    others: tuple[Path, ...] = ()


_SUFFIXES = frozenset(
    {".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet", ".db", ".log", ".txt", ".out"}
)
_NO_LOGS = re.compile(
    r"(config|tokenizer|vocab|special_tokens|added_tokens|all_results|status|index|trainer_state).*\.json"
    r"|requirements.*|.*tfevents.*"
)
_ONE_EACH = {LogFormat.RLIF, LogFormat.TRAINER_STATE, LogFormat.TENSORBOARD}
"""Formats that go before any other file in a directory."""

_DEEPEST = 3
_NAMED = 10
"""Files that an error names."""


def find_log(path: Path, wanted: LogFormat | None = None) -> FoundLog:
    """Return the log a path stands for.

    Of several kinds in a directory the first of `LogFormat` counts: rlif's own records, trainer_state.json
    (the newest checkpoint's where the directory has none), event files, then a single file of another kind.

    Raises:
        UserError: there is none, or there are several.
    """
    if path.is_dir():
        return _in_directory(path, wanted)
    if not path.exists():
        raise UserError(f"{path} does not exist.", "Name a log file, or the directory of a run.")
    if not path.is_file():
        raise UserError(f"{path} is not a file.", "Write the log to a file first.")
    found = _format_of(path)
    if found is LogFormat.RLIF and wanted in (None, LogFormat.RLIF):
        return FoundLog(path.parent, LogFormat.RLIF)
    return FoundLog(path, wanted or (None if found is LogFormat.RLIF else found))


def _in_directory(path: Path, wanted: LogFormat | None) -> FoundLog:
    found = list(_candidates(path))
    fitting = [log for log in found if wanted is None or log.format in (wanted, None)]
    if not fitting:
        kind = "log" if wanted is None else f"log of the format {wanted}"
        raise UserError(
            f"{path} holds no {kind}.",
            "A log is metrics.jsonl, trainer_state.json, an event file of TensorBoard, or one file ending in "
            f"{', '.join(sorted(_SUFFIXES))}, perhaps with .gz.",
        )
    first = fitting[0]
    kinds = {first.format} if first.format in _ONE_EACH else set(LogFormat) - _ONE_EACH | {None}
    alike = [log.path for log in fitting if log.format in kinds]
    if len(alike) > 1:
        names = "".join(f"\n  {name}" for name in alike[:_NAMED]) + ("\n  …" if len(alike) > _NAMED else "")
        raise UserError(f"{path} holds {len(alike)} logs:{names}", "Name one of them.")
    return FoundLog(first.path, wanted or first.format, tuple(log.path for log in found if log is not first))


def _candidates(path: Path) -> Iterator[FoundLog]:
    """Yield the logs in a directory, the one that counts first first."""
    if _is_rlif(path / "metrics.jsonl"):
        yield FoundLog(path, LogFormat.RLIF)
        return
    states = [path / "trainer_state.json", *sorted(path.glob("checkpoint-*/trainer_state.json"), key=_newest)]
    yield from [FoundLog(state, LogFormat.TRAINER_STATE) for state in states if state.is_file()][:1]
    events = {file.parent for file in files_below(path) if "tfevents" in file.name}
    yield from (FoundLog(event, LogFormat.TENSORBOARD) for event in sorted(events))
    for file in sorted(path.iterdir()):
        suffix = Path(file.name.removesuffix(".gz")).suffix.lower()
        if suffix in _SUFFIXES and file.is_file() and not _NO_LOGS.match(file.name):
            yield FoundLog(file, _format_of(file))


def _newest(state: Path) -> int:
    """Return a sort key that puts the last checkpoint first."""
    number = state.parent.name.removeprefix("checkpoint-")
    return -int(number) if number.isdecimal() else 0


def files_below(path: Path) -> Iterator[Path]:
    """Yield the files of a directory and of `_DEEPEST` levels below it, where event files may lie."""
    for folder, folders, files in os.walk(path):
        if len(Path(folder).relative_to(path).parts) >= _DEEPEST:
            folders.clear()
        yield from (Path(folder, file) for file in files)


def _format_of(path: Path) -> LogFormat | None:
    """Return the format that a file's first bytes or its name give away; None for text."""
    try:
        with path.open("rb") as file:
            start = file.read(16)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.", "Check the path.") from error
    if start.startswith(b"PAR1"):
        return LogFormat.PARQUET
    if start.startswith(b"SQLite format 3"):
        return LogFormat.TRACKIO
    if "tfevents" in path.name:
        return LogFormat.TENSORBOARD
    if path.name == "trainer_state.json":
        return LogFormat.TRAINER_STATE
    if path.name == "metrics.jsonl" and _is_rlif(path):
        return LogFormat.RLIF
    return None


def _is_rlif(path: Path) -> bool:
    """Whether a metrics.jsonl is rlif's: its lines name their step and stage."""
    try:
        with path.open("rb") as file:
            first = json.loads(file.readline(1 << 20))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(first, dict) and {"step", "stage"} <= first.keys()
