"""The claims C1 to C6 of arXiv 2606.20881 as executable hypotheses over the results of a study.

    for result in judge(pl.read_parquet("results.parquet")):
        print(result.id, result.verdict, result.estimate)

A claim of your own is a function under `claim`; docs/claims.md has one.
"""

from collections.abc import Sequence

import polars as pl

from rlif.conclusions.claims import table
from rlif.conclusions.claims.axes import speed
from rlif.conclusions.claims.course import collapse, early_gain, shortening
from rlif.conclusions.claims.data import Results
from rlif.conclusions.claims.judging import above, alone, below
from rlif.conclusions.claims.stopping import stopping_helps
from rlif.conclusions.claims.transfer import no_better_start
from rlif.conclusions.claims.types import Claim, ClaimResult, Judgement, Rules, Verdict, claim

__all__ = [
    "CLAIMS",
    "Claim",
    "ClaimResult",
    "Judgement",
    "Results",
    "Rules",
    "Verdict",
    "above",
    "alone",
    "below",
    "claim",
    "judge",
    "table",
]

CLAIMS = (early_gain, collapse, shortening, speed, no_better_start, stopping_helps)


def judge(
    frame: pl.DataFrame, claims: Sequence[Claim] = CLAIMS, rules: Rules | None = None
) -> list[ClaimResult]:
    """Judge claims on a results table (the columns of results.parquet), each by itself.

    Args:
        frame: a row for each evaluation of each run; the sampled ones are used where there are any.
        claims: in the order wanted.
        rules: margins and error rate; None: those stated in `Rules`.

    Raises:
        UserError: the table lacks columns.
    """
    results = Results(frame)
    return [one(results, rules) for one in claims]
