"""Says whether programs are right: outputs against expected outputs, verdicts, pass@k."""

from rlif.grading.judge import grade, judge, program_for
from rlif.grading.pass_at_k import bootstrap_ci, defined_ks, pass_at_k
from rlif.grading.types import Verdict, VerdictStatus
from rlif.sandbox import Mode

__all__ = [
    "Mode",
    "Verdict",
    "VerdictStatus",
    "bootstrap_ci",
    "defined_ks",
    "grade",
    "judge",
    "pass_at_k",
    "program_for",
]
