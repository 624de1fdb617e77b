"""Training logs of other tools, read into the records that `diagnose` understands. Pure; no torch.

path -> `find` (which file, which format) -> a reader (`LogTable`: columns as the log names them)
     -> `names` and `columns` (which column is which metric) -> `steps` and `evals` (records) -> `Log`
"""

from rlif.diagnostics.logs.find import LogFormat
from rlif.diagnostics.logs.judge import diagnose_log
from rlif.diagnostics.logs.read import Log, LogOptions, read_log

__all__ = ["Log", "LogFormat", "LogOptions", "diagnose_log", "read_log"]
