"""From records to findings: did a run gain, did it collapse, when, and what showed it. Pure; no torch."""

from rlif.diagnostics.compare import TransferComparison, compare, compare_transfer
from rlif.diagnostics.diagnose import diagnose
from rlif.diagnostics.findings import (
    Alarm,
    Comparison,
    Direction,
    Findings,
    Interval,
    Mode,
    ModeFinding,
    Trend,
    Verdict,
)
from rlif.diagnostics.health import summarise_completions
from rlif.diagnostics.step_metrics import summarise_groups
from rlif.diagnostics.thresholds import Thresholds

__all__ = [
    "Alarm",
    "Comparison",
    "Direction",
    "Findings",
    "Interval",
    "Mode",
    "ModeFinding",
    "Thresholds",
    "TransferComparison",
    "Trend",
    "Verdict",
    "compare",
    "compare_transfer",
    "diagnose",
    "summarise_completions",
    "summarise_groups",
]
