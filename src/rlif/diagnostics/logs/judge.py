"""`diagnose` for logs that may lack nearly everything."""

from rlif.diagnostics.diagnose import diagnose
from rlif.diagnostics.findings import Alarm, Findings
from rlif.diagnostics.logs.coverage import can_alarm
from rlif.diagnostics.logs.read import Log


def diagnose_log(log: Log) -> Findings:
    """Return the findings of a log.

    They differ from those of `diagnose` in one point: where nothing was logged that could raise the alarm, it
    is undecided, not quiet.
    """
    found = diagnose(log.steps, log.evals)
    if found.alarm is Alarm.QUIET and not any(can_alarm(name) for name in found.trends):
        found.alarm = Alarm.UNDECIDED
    return found
