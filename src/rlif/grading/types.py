"""`Verdict`: whether a program is right, and if not, why not."""

from dataclasses import dataclass
from enum import StrEnum


class VerdictStatus(StrEnum):
    """Why a program passed or failed; the words of the `status` field of verdict lines."""

    PASSED = "passed"
    WRONG_ANSWER = "wrong_answer"
    TIMEOUT = "timeout"
    MEMORY_LIMIT = "memory_limit"
    OUTPUT_LIMIT = "output_limit"
    RUNTIME_ERROR = "runtime_error"
    COMPILE_ERROR = "compile_error"
    NO_CODE = "no_code"
    KILLED = "killed"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judgement of one program on one problem.

    tests: one bool a test that was judged, public tests first. With stop-at-first-failure it ends with the
    first False.
    """

    passed: bool
    tests: tuple[bool, ...]
    status: VerdictStatus
