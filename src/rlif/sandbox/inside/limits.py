"""`Bounds` of a program, and what is raised when it goes over one."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Bounds:
    """The limits of one program (see `rlif.sandbox.Limits`), in the units that the kernel takes."""

    seconds: float
    cpu_seconds: float
    total_seconds: float
    memory_bytes: int
    output_bytes: int
    processes: int


class LimitReached(Exception):
    """A program went over a limit; status says which."""

    def __init__(self, status: str, error: str) -> None:
        super().__init__(error)
        self.status = status
        self.error = error


class Stopped(Exception):
    """rlif wants no more of a program."""
