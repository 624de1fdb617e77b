"""What goes into the sandbox (`Program`, `Limits`) and what comes out (`Execution`)."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

Value = (
    None
    | bool
    | int
    | float
    | complex
    | str
    | bytes
    | list["Value"]
    | tuple["Value", ...]
    | set["Value"]
    | frozenset["Value"]
    | dict["Value", "Value"]
)
"""What may cross the sandbox's border: exact builtin types, nothing else."""


class RunStatus(StrEnum):
    """How the execution of a program on one input ended. Whether its output was *right* is not known here."""

    OK = "ok"
    TIMEOUT = "timeout"
    MEMORY_LIMIT = "memory_limit"
    OUTPUT_LIMIT = "output_limit"
    RUNTIME_ERROR = "runtime_error"
    COMPILE_ERROR = "compile_error"
    NO_CODE = "no_code"
    KILLED = "killed"  # the program, or its worker, died without an answer
    NOT_RUN = "not_run"  # an earlier input failed and the rest was not wanted


class Mode(StrEnum):
    """How a program is run, and by whose rules it is judged."""

    NATIVE = "native"  # a script has a process, a stdin and a stdout of its own for each input
    OFFICIAL = "official"  # as LiveCodeBench's checker does it: all inputs in one process, stdin imitated


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one program; each is enforced from outside the program.

    Wall time does not count what a program spends waiting for a processor: a busy machine makes no verdicts.
    """

    seconds: float = 6.0  # wall time, for each input
    cpu_seconds: float = 6.0  # CPU time, for each input
    total_seconds: float | None = None  # wall time for all inputs; None: (seconds + 1) · n + 5
    memory_mb: int = 1024
    output_bytes: int = 1 << 20  # standard output, or the encoded result, for each input
    processes: int = 16


@dataclass(frozen=True, slots=True)
class Program:
    """Untrusted code and the inputs to run it on.

    inputs: for a stdin program (entry_point None) the texts for standard input; for a functional one the
    argument tuples. Expected outputs are not part of it: they never enter the sandbox.
    prelude: a functional program finds typing, collections, math… imported, as on LeetCode.
    accept: asked outside the sandbox, with the number of an input and its `Output`, as soon as that is known;
    when it says False the program is ended, and the inputs left are NOT_RUN. A pure function: with
    `RaySandbox` it runs in another process.
    """

    code: str
    inputs: tuple[str, ...] | tuple[tuple[Value, ...], ...]
    entry_point: str | None = None
    prelude: bool = False
    mode: Mode = Mode.NATIVE
    accept: Callable[[int, "Output"], bool] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Output:
    """What one input gave: text printed (stdin) or the value returned (functional); None unless OK."""

    status: RunStatus
    value: Value = None
    cpu_s: float = 0.0
    wall_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Execution:
    """What a program did on all its inputs.

    Attributes:
        status: OK when every input ran to its end, else the status of the first that did not.
        outputs: one `Output` an input, in order.
        cpu_s, wall_s: seconds over all inputs.
        peak_mb: peak resident memory in MB.
        error: last line of what the program's failure printed, at most 500 characters.
        isolation: name of the isolation it ran under ("bwrap", "process").
    """

    status: RunStatus
    outputs: tuple[Output, ...]
    cpu_s: float = 0.0
    wall_s: float = 0.0
    peak_mb: float = 0.0
    error: str = field(default="", compare=False)
    isolation: str = ""
