"""Files of sampled programs, as `rlif grade` takes them.

A line is `{"question_id", "code"}`, or LiveCodeBench's `{"question_id", "code_list": […]}`. The samples of a
question are numbered 0, 1, … in the order of the file.
"""

import json
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlif.errors import UserError, did_you_mean


@dataclass(frozen=True, slots=True)
class Sample:
    """One sampled program; index counts the samples of its question."""

    question_id: str
    index: int
    code: str


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that could not be used, and why."""

    number: int
    reason: str


def read_samples(path: Path, known_ids: Collection[str]) -> tuple[list[Sample], list[BadLine]]:
    """Return the samples of a file, and the lines of it that cannot be graded.

    Raises:
        UserError: the file cannot be read.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise UserError(f"Cannot read the samples file '{path}': {error.strerror}.") from error
    samples: list[Sample] = []
    bad: list[BadLine] = []
    seen: Counter[str] = Counter()
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            question_id, codes = _read_line(line)
            if question_id not in known_ids:
                raise ValueError(
                    f"unknown question_id '{question_id}'. {did_you_mean(question_id, known_ids)}"
                )
        except ValueError as error:
            bad.append(BadLine(number, str(error)))
            continue
        for code in codes:
            samples.append(Sample(question_id, seen[question_id], code))
            seen[question_id] += 1
    return samples, bad


def _read_line(line: bytes) -> tuple[str, list[str]]:
    try:
        row: Any = json.loads(line)
    except ValueError:  # not JSON, or not UTF-8
        raise ValueError("not a JSON line (cut off?)") from None
    if not isinstance(row, dict) or "question_id" not in row:
        raise ValueError("no object with a 'question_id'")
    codes: Any = row["code_list"] if "code_list" in row else [row.get("code")]
    if not isinstance(codes, list) or not all(isinstance(code, str) for code in codes):
        raise ValueError("neither a text 'code' nor a list of texts 'code_list'")
    return str(row["question_id"]), codes
