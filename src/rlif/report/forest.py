"""Differences between arms, a row each: against the control, and RLIF -> RLVR against RLVR."""

from dataclasses import dataclass

from rlif.diagnostics import Comparison, Interval
from rlif.records import Role
from rlif.report.arms import Arm
from rlif.report.contrast import contrast
from rlif.report.load import Study, Transfer
from rlif.report.tabular import Tabular


@dataclass(frozen=True, slots=True)
class Row:
    """One difference of pass@1. what: is compared. at: which evaluations. outcome: in a word or two."""

    what: str
    at: str
    runs: int
    problems: int
    value: Interval
    outcome: str


@dataclass(frozen=True, slots=True)
class Forest:
    """Rows with one scale. limit: the largest |bound| of all, at least 0.05."""

    name: str
    title: str
    rows: tuple[Row, ...]

    @property
    def limit(self) -> float:
        """Half of the width of the scale."""
        ends = [abs(x) for row in self.rows for x in (row.value.low, row.value.high, row.value.estimate)]
        return max([0.05, *(x for x in ends if x == x)])

    def tabular(self) -> Tabular:
        """Return the rows as a table, in points of pass@1."""
        columns = ("Comparison", "At", "Runs", "Problems", "Difference (points)", "95% interval", "Outcome")
        lines = (
            (
                row.what,
                row.at,
                str(row.runs),
                str(row.problems),
                signed(row.value.estimate),
                span(row.value),
                row.outcome,
            )
            for row in self.rows
        )
        return Tabular(self.name, self.title, columns, tuple(lines))


def against_control(study: Study) -> Forest | None:
    """Return every other central arm against the control, at the last evaluation that both share."""
    control = study.control
    if control is None:
        return None
    others = [arm for arm in study.centre if arm is not control and arm.role is not Role.TRANSFER]
    rows = [
        _row(arm, control, found, f"step {found.first_step}")
        for arm in others
        if (found := contrast(arm, control))
    ]
    rows.sort(key=lambda row: row.value.estimate, reverse=True)
    return Forest("control", f"pass@1 against {control.label}", tuple(rows)) if rows else None


def transfers(study: Study) -> Forest | None:
    """Return RLIF -> RLVR against tests alone, at equal total steps and at equal steps on tests."""
    rows = tuple(row for transfer in study.transfers for row in _budgets(transfer))
    return Forest("transfer", "RLIF then RLVR against RLVR alone", rows) if rows else None


def signed(value: float) -> str:
    """Return a share in points with its sign; "–" where undefined."""
    return "–" if value != value else f"{round(100 * value, 1) + 0.0:+.1f}".replace("-", "−")


def span(value: Interval) -> str:
    """Return the interval in points; "none" where there is none."""
    return "none" if value.low != value.low else f"{signed(value.low)} to {signed(value.high)}"


def _budgets(transfer: Transfer) -> list[Row]:
    found, k = transfer.found, transfer.found.rlif_steps
    rows: list[Row] = []
    if (total := found.equal_total) is not None:
        at = f"{total.first_step} steps in all ({k} without tests)"
        rows.append(_row(transfer.arm, transfer.rlvr, total, at))
    if (on_tests := found.equal_rlvr) is not None:
        at = f"{on_tests.second_step} steps on tests (after {k} without)"
        rows.append(_row(transfer.arm, transfer.rlvr, on_tests, at))
    return rows


def _row(first: Arm, second: Arm, found: Comparison, at: str) -> Row:
    runs = len(first.runs) + len(second.runs)
    return Row(first.label, at, runs, found.problems, found.difference, found.outcome)
