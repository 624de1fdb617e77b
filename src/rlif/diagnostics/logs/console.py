"""Console logs of verl and OpenRLHF: the lines that carry metrics, among all that a job prints.

- verl (verl/utils/logger/aggregate_logger.py), after Ray's prefix, one line a step:
  `(TaskRunner pid=71) step:12 - actor/entropy:0.41 - critic/rewards/mean:0.31 - actor/lr:np.float64(1e-06)`
- OpenRLHF (openrlhf/trainer/ppo_trainer.py, PPOTrainer.fit and evaluate), a Python dictionary a step:
  `… ✨ Global step 12: {'policy_loss': -0.01, 'reward': 0.31, 'response_length': 212.4}`
  `… Evaluation completed in 00:01:40, global_step 12, eval_metrics: {'eval_math_pass1': 0.42}`
"""

import re

from rlif.diagnostics.logs.table import LogTable, table_of_rows

_NUMBER = rb"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?"
_VALUE = rb"(?:[\w.]+\()?(" + _NUMBER + rb")"  # also np.float64(…) and tensor(…)

_VERL_STEP = re.compile(rb"(?:^|[\s)\]m])step:(\d{1,15}) - ")
_VERL_METRIC = re.compile(rb"(?:^| - )([^\s:]{1,200}):" + _VALUE)
_OPENRLHF_STEP = re.compile(
    rb"(?:Global step |eval\w{0,20} .{0,80}global_step )(\d{1,15})\b[^{]{0,80}(?=\{)", re.I
)
_OPENRLHF_METRIC = re.compile(rb"'([^']{1,200})': " + _VALUE)

_MARKS = (b"step:", b"lobal step ", b"global_step ")
_LONGEST = 1_000_000
"""Bytes of a line beyond which it is no line of metrics but something a job printed."""


def read_console(data: bytes) -> LogTable | None:
    """Return the metrics in a console log; None when no line has any. Colours and prefixes do not matter."""
    if not any(mark in data for mark in _MARKS):
        return None
    rows: list[dict[str, float]] = []
    for line in data.split(b"\n"):
        if len(line) <= _LONGEST and any(mark in line for mark in _MARKS):
            row = _row(line)
            if row:
                rows.append(row)
    return table_of_rows(rows) if rows else None


def _row(line: bytes) -> dict[str, float] | None:
    if match := _VERL_STEP.search(line):
        pairs = _VERL_METRIC.findall(line[match.end() :])
    elif match := _OPENRLHF_STEP.search(line):
        pairs = _OPENRLHF_METRIC.findall(line[match.end() :])
    else:
        return None
    metrics = {name.decode("utf-8", "replace"): float(value) for name, value in pairs}
    return {"step": float(match[1])} | metrics if metrics else None
