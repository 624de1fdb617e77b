"""`StoredTests`: hidden tests that stay in their file until somebody looks at them.

LiveCodeBench's files are 4.5 GB, their private tests several times that once decoded. So a problem of a file
knows where its line is; its tests are decoded when they are used, and those used last are kept.
"""

import threading
import zlib
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

from rlif.errors import UserError
from rlif.problems.rows import hidden_tests_of, parse_row
from rlif.problems.types import TestCase

KEPT_CHARACTERS = 1 << 27
"""Characters of tests that this process keeps decoded; those of the problem used last are kept anyway."""


class UnreadableTests(UserError):
    """The hidden tests of one problem cannot be decoded.

    Attributes:
        reason: what is wrong with them, without file, line and problem.
    """

    def __init__(self, tests: "StoredTests", reason: str) -> None:
        where = f"{tests.path}, line {tests.number}: problem '{tests.problem_id}'"
        super().__init__(f"{where}: {reason}.", "`rlif problems check` names all such problems of a file.")
        self.reason = reason


@dataclass(frozen=True, slots=True, eq=False)
class StoredTests(Sequence[TestCase]):
    """The hidden tests of one line of a file; a sequence like the tuple of them, and equal to it.

    Attributes:
        path: the file, absolute, so that the tests can be sent to another process.
        number: of the line, from 1.
        offset, size: where the line is, in bytes.
        crc: CRC-32 of the line, which tells whether the file is still the same.
        problem_id: whose tests they are.

    Raises:
        UnreadableTests: on any use, if the tests are malformed or the file has changed.
    """

    path: Path
    number: int
    offset: int
    size: int
    crc: int
    problem_id: str

    def __len__(self) -> int:
        return len(_kept.get(self))

    @overload
    def __getitem__(self, index: int) -> TestCase: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[TestCase, ...]: ...
    def __getitem__(self, index: int | slice) -> TestCase | tuple[TestCase, ...]:
        return _kept.get(self)[index]

    def __iter__(self) -> Iterator[TestCase]:
        return iter(_kept.get(self))

    def __eq__(self, other: object) -> bool:
        if isinstance(other, StoredTests) and other.key == self.key:
            return True
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    __hash__ = None  # pyright: ignore[reportAssignmentType]  # it would have to decode the tests

    @property
    def key(self) -> tuple[Path, int, int]:
        """What tells these tests from those of all other lines."""
        return self.path, self.offset, self.crc

    def decode(self) -> tuple[TestCase, ...]:
        """Read the tests from the file."""
        try:
            with self.path.open("rb") as file:
                file.seek(self.offset)
                line = file.read(self.size)
        except OSError as error:
            raise UnreadableTests(self, f"the file can no longer be read: {error.strerror}") from error
        if zlib.crc32(line) != self.crc:
            raise UnreadableTests(self, "the file has changed since it was loaded")
        try:
            return hidden_tests_of(parse_row(line))
        except (ValueError, RecursionError) as error:
            raise UnreadableTests(self, str(error)) from error


class _Kept:
    """The tests used last."""

    def __init__(self) -> None:
        self._tests: OrderedDict[tuple[Path, int, int], tuple[TestCase, ...]] = OrderedDict()
        self._characters = 0
        self._lock = threading.Lock()

    def get(self, stored: StoredTests) -> tuple[TestCase, ...]:
        with self._lock:
            if stored.key in self._tests:
                self._tests.move_to_end(stored.key)
                return self._tests[stored.key]
        tests = stored.decode()
        with self._lock:
            if stored.key not in self._tests:
                self._tests[stored.key] = tests
                self._characters += _characters(tests)
            while self._characters > KEPT_CHARACTERS and len(self._tests) > 1:
                _, forgotten = self._tests.popitem(last=False)
                self._characters -= _characters(forgotten)
        return tests


_kept = _Kept()


def _characters(tests: Sequence[TestCase]) -> int:
    return sum(len(test.input) + len(test.output) for test in tests)
