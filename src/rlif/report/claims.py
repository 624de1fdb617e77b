"""What the runs of a study say together: the results table, the claims C1 to C6 on it, and advice."""

from dataclasses import dataclass

import polars as pl

from rlif.conclusions.claims import ClaimResult, judge
from rlif.conclusions.claims.table import written
from rlif.conclusions.recommendations import Recommendation, recommend, write
from rlif.conclusions.results import export
from rlif.errors import UserError
from rlif.records import StudyDir
from rlif.report.load import Study
from rlif.report.tabular import Tabular


@dataclass(frozen=True, slots=True)
class Claims:
    """Verdicts, or why there are none; and advice, what is decided first."""

    results: tuple[ClaimResult, ...] = ()
    lack: str = ""
    advice: tuple[Recommendation, ...] = ()

    def tabular(self) -> Tabular:
        """Return one line a claim."""
        lines = ((f"{r.id}. {r.sentence}", r.verdict, quoted(r), str(r.n_runs)) for r in self.results)
        return Tabular("claims", "Claims", ("Claim", "Verdict", "Estimate", "Runs"), tuple(lines))


def claims(study: Study) -> Claims:
    """Export the results table of a study (results.parquet, results.csv), judge it, write its advice."""
    if not StudyDir(study.path).exists:
        return Claims()
    try:
        parquet, _ = export(study.path)
    except UserError as error:  # runs that rlif did not train have no configuration to tabulate
        return Claims(lack=" ".join(str(error).split()))
    frame = pl.read_parquet(parquet).filter(pl.col("pass_at_1").is_finite())
    if frame.is_empty():
        return Claims(lack="Claims and advice are about pass@1, and no evaluation was judged by tests.")
    advice = recommend(frame)
    write(study.path, advice)
    advice = tuple(sorted(advice, key=lambda item: not item.decided))
    if all(len(arm.runs) == 1 for arm in study.arms):
        return Claims(lack="Claims need several seeds; here each reward has one run.", advice=advice)
    return Claims(tuple(judge(frame)), advice=advice)


def quoted(result: ClaimResult) -> str:
    """Return what was estimated with its interval, or why nothing was."""
    if result.quantity:
        return f"{result.quantity}: {written(result.estimate, result.unit)}"
    return result.details[0] if result.details else "–"
