"""Runs untrusted programs: `Sandbox(…).run(programs)`.

Threat model: a program is hostile. It wants to be graded correct without solving, to read answers, to outlive
or stall the grader, to exhaust the host, to reach files or the network. Expected outputs never enter the
sandbox; comparison happens outside it (`rlif.grading`).
"""

from rlif.sandbox.cluster import RaySandbox, stop_service
from rlif.sandbox.pool import Sandbox, probe
from rlif.sandbox.types import Execution, Limits, Mode, Output, Program, RunStatus, Value

__all__ = [
    "Execution",
    "Limits",
    "Mode",
    "Output",
    "Program",
    "RaySandbox",
    "RunStatus",
    "Sandbox",
    "Value",
    "probe",
    "stop_service",
]
