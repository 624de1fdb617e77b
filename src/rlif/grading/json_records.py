"""Reads files of JSON records that may be larger than memory: JSON Lines, or one JSON array.

LiveCodeBench's runner writes its outputs as one array, `json.dump(outputs, file, indent=4)`; most others
write a record a line. In JSON Lines, a line that cannot be read costs that line only. In an array, what
follows a fault cannot be told apart from it, so reading ends there.
"""

import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from rlif.errors import UserError
from rlif.problems.jsonl import BadLine

MAX_RECORD_BYTES = 1 << 28
"""Longest record; a longer one is passed over without being held in memory."""

_CHUNK = 1 << 20
_BOM = b"\xef\xbb\xbf"
_ARRAY = re.compile(rb"\s*\[[ \t\r]*(?:[{\]\n]|$)")
_BLANK = re.compile(r"[ \t\r\n]*")
_TOO_LONG = f"longer than {MAX_RECORD_BYTES >> 20} MB"
_LOST = "; what follows is lost"


@dataclass(frozen=True, slots=True)
class Record:
    """One JSON value, and the number of the line on which it begins, from 1."""

    number: int
    value: Any


def read_records(path: Path) -> Iterator[Record | BadLine]:
    """Yield what a file holds, in its order; one record is in memory at a time.

    Raises:
        UserError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            is_array = _ARRAY.match(file.read(1 << 12).removeprefix(_BOM)) is not None
            file.seek(0)
            yield from _Array(file).records() if is_array else _lines(file)
    except OSError as error:
        raise UserError(f"Cannot read the samples file '{path}': {error.strerror}.") from error


def _lines(file: BinaryIO) -> Iterator[Record | BadLine]:
    number = 0
    while line := file.readline(MAX_RECORD_BYTES + 1):
        number += 1
        if len(line) > MAX_RECORD_BYTES:
            while line and not line.endswith(b"\n"):
                line = file.readline(_CHUNK)
            yield BadLine(number, _TOO_LONG)
        elif line.strip():
            yield _parsed((line.removeprefix(_BOM) if number == 1 else line).rstrip(), number)


def _parsed(line: bytes, number: int) -> Record | BadLine:
    try:
        return Record(number, json.loads(line.decode()))
    except UnicodeDecodeError as error:
        return BadLine(number, f"not UTF-8: byte 0x{line[error.start]:02x} at column {error.start + 1}")
    except json.JSONDecodeError as error:
        is_cut = error.pos == len(error.doc) or error.msg.startswith("Unterminated")
        return BadLine(
            number, f"not JSON: {error.msg}, column {error.colno}{' (cut off?)' if is_cut else ''}"
        )
    except (ValueError, RecursionError) as error:  # an integer of thousands of digits, thousands of brackets
        return BadLine(number, f"not JSON that can be read: {error}")


class _Array:
    """The elements of one JSON array, read through a window that moves over the file.

    Bytes that are no UTF-8 become lone surrogates there, so that they cost their own element only (what JSON
    escapes as \\ud800 is still ASCII in the window).
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = io.TextIOWrapper(file, "utf-8-sig", errors="surrogateescape", newline="")
        self._window, self._at = "", 0
        self._line = 1
        self._decoder = json.JSONDecoder()

    def records(self) -> Iterator[Record | BadLine]:
        self._take()  # the opening bracket
        elements = 0
        symbol = "," if self._peek() != "]" else self._take()
        while symbol == ",":
            elements += 1
            self._peek()
            line = self._line
            try:
                yield self._element()
            except (ValueError, RecursionError) as error:
                yield BadLine(line, f"element {elements} of the array is not JSON: {error}{_LOST}")
                return
            symbol = self._take()
        if symbol != "]":
            yield BadLine(self._line, f"the array is cut off or broken after element {elements}{_LOST}")
        elif self._peek():
            yield BadLine(self._line, "text after the end of the array")

    def _element(self) -> Record | BadLine:
        """Return the value that begins here; raises ValueError."""
        while True:
            try:
                value, end = self._decoder.raw_decode(self._window, self._at)
            except json.JSONDecodeError as error:
                if len(self._window) - self._at > MAX_RECORD_BYTES:
                    raise ValueError(_TOO_LONG) from None
                if not self._more():
                    raise ValueError(f"{error.msg} (cut off?)") from None
                continue
            if end < len(self._window) or not self._more():  # a number goes on, maybe
                break
        line, text = self._line, self._window[self._at : end]
        self._move(end)
        try:
            text.encode()
        except UnicodeEncodeError:
            return BadLine(line, "not UTF-8")
        return Record(line, value)

    def _peek(self) -> str:
        """Go to the next character that is not blank and return it; "" at the end of the file."""
        while True:
            blank = _BLANK.match(self._window, self._at)
            self._move(blank.end() if blank else self._at)
            if self._at < len(self._window) or not self._more():
                return self._window[self._at : self._at + 1]

    def _take(self) -> str:
        symbol = self._peek()
        self._at += len(symbol)
        return symbol

    def _move(self, to: int) -> None:
        self._line += self._window.count("\n", self._at, to)
        self._at = to

    def _more(self) -> bool:
        """Let the window begin here and make it longer; False at the end of the file."""
        rest = self._window[self._at :]
        more = self._file.read(max(_CHUNK, len(rest)))  # doubled, so that a long element is not tried often
        if more:
            self._window, self._at = rest + more, 0
        return bool(more)
