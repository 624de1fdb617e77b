"""`diagnose` for a log."""

from rlif.diagnostics.diagnose import diagnose
from rlif.diagnostics.findings import Findings
from rlif.diagnostics.logs.read import Log


def diagnose_log(log: Log, *, use_tests: bool = True) -> Findings:
    """Return the findings of a log; without `use_tests` as if it held no test results."""
    return diagnose(log.steps, log.evals, use_tests=use_tests)
