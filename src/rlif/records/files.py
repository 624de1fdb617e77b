"""Files that a reader never sees half-written: atomic replacement, and lines appended whole.

A process may be killed between any two instructions. `write_atomic` writes beside the file and renames;
`append_line` writes one line in one go; `read_jsonl` drops a last line that was cut off.
"""

import json
import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlif.errors import UserError


@dataclass(frozen=True, slots=True)
class JsonLine:
    """One line of a JSONL file: where it stands, its text, and the object in it."""

    path: Path
    number: int
    text: str
    value: dict[str, Any]


def write_atomic(path: Path, data: bytes) -> None:
    """Replace `path` by `data`: a reader sees the old file or the new one, never a part.

    Raises:
        UserError: the disk is full, or the place cannot be written.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with _disk_errors(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with beside.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise


def append_line(path: Path, line: str) -> None:
    """Append one line to a text file, after removing what a killed writer may have left of its last one.

    Raises:
        UserError: the disk is full (what was written of the line is taken back), or it cannot be written.
    """
    # Unbuffered: what the disk refused must not be tried again when the file is closed.
    with _disk_errors(path), path.open("ab", buffering=0) as file:
        end, unended = _sound_end(path)
        file.truncate(end)
        rest = memoryview(b"\n" * unended + line.encode() + b"\n")
        try:
            while rest:
                rest = rest[file.write(rest) :]
        except OSError:
            file.truncate(end)
            raise


def read_jsonl(path: Path) -> Iterator[JsonLine]:
    """Yield the objects of a JSONL file; a last line that was cut off is left out.

    Raises:
        UserError: the file cannot be read, or a line before the last is not a JSON object.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.", "Check the path.") from error
    for number, raw in enumerate(lines, start=1):
        if not raw.strip():
            continue
        try:
            text = raw.decode()
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            if number == len(lines):  # no line end follows: its writer was killed while writing it
                return
            raise damaged(path, number, f"is not JSON ({error})") from error
        if not isinstance(value, dict):
            raise damaged(path, number, f"holds {type(value).__name__}, not an object")
        yield JsonLine(path, number, text, value)


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file.

    Raises:
        UserError: the file is missing, empty or damaged.
    """
    try:
        value = json.loads(path.read_bytes())
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.", "Check the path.") from error
    except (ValueError, RecursionError) as error:
        raise UserError(
            f"{path} is not valid JSON ({error}).", "Restore it from a backup or remove it."
        ) from error
    if not isinstance(value, dict):
        raise UserError(f"{path} holds {type(value).__name__}, not a JSON object.", "Restore or remove it.")
    return value


def damaged(path: Path, line: int, what: str) -> UserError:
    """Return the error for a line that cannot be used."""
    return UserError(f"{path}, line {line} {what}.", "Mend or delete that line and try again.")


def _sound_end(path: Path) -> tuple[int, bool]:
    """Return the size in bytes without a line that was cut off, and whether its last line lacks its end.

    A whole object without a line end counts, as it does in `read_jsonl`.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(size - 1, 0))
        if file.read() in (b"", b"\n"):  # nearly always, and without reading the whole file
            return size, False
        file.seek(0)
        data = file.read()
    complete = data.rfind(b"\n") + 1
    try:
        json.loads(data[complete:])
    except (ValueError, RecursionError):
        return complete, False
    return size, True


@contextmanager
def _disk_errors(path: Path) -> Generator[None]:
    """Turn the operating system's refusal to write into a message with a way out."""
    try:
        yield
    except OSError as error:
        fix = "Free some space, or write somewhere else, and run the same command again: it continues."
        raise UserError(f"{path} cannot be written: {error.strerror or error}.", fix) from error
