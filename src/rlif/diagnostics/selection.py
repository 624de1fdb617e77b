"""Does a score tell right samples from wrong ones of the same problem? The alignment before any training.

Training on a reward sharpens what the reward prefers among the samples of a problem. So whether it can work
is seen, without training, from whether it prefers the right ones (confidence-correctness alignment, URLVR,
arXiv 2603.08660), in two figures:

    AUROC      mean over problems of P(score of a right sample > score of a wrong one) + ½ P(equal);
               over the problems that have both; 0.5 is chance
    best-of-n  share of problems whose highest-scored sample is right; a random choice gives pass@1

Problems are resampled for the intervals, and keep their pairing.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from rlif.diagnostics.alignment import auroc, label_accuracy
from rlif.diagnostics.bootstrap import difference_interval, mean_interval
from rlif.diagnostics.findings import Interval
from rlif.records.schema import Number

Floats = NDArray[np.floating[Any]]
Bools = NDArray[np.bool_]


class Selection(BaseModel):
    """What a score is worth as a judge of samples.

    Attributes:
        problems: judged on. mixed: those of them with right and wrong samples, on which AUROC rests.
        undefined: share of samples without a score.
        auroc: within problems; NaN if no problem is mixed.
        best: best-of-n. random: of a sample drawn at random. gain: best − random, paired.
        oracle: share of problems with a right sample: the most that any choice can reach.
    """

    problems: int
    mixed: int
    undefined: Number
    auroc: Interval
    best: Interval
    random: Interval
    gain: Interval
    oracle: Number


def selection(scores: Sequence[Floats], right: Sequence[Bools]) -> Selection:
    """Judge a score on the samples of P problems; the number of samples may differ between problems.

    Args:
        scores: [n] for each problem, higher is better, NaN where undefined. A sample without a score is never
            chosen before one with a score; where none has one, the choice is random.
        right: [n] for each problem.

    Raises:
        ValueError: the two do not have the same shapes.
    """
    both = zip(scores, right, strict=True)
    pairs = [(np.asarray(s, dtype=float), np.asarray(r, dtype=bool)) for s, r in both]
    if any(s.shape != r.shape for s, r in pairs):
        raise ValueError("a problem has another number of scores than of samples")
    pairs = [(s, r) for s, r in pairs if r.size]
    known = [(s[~np.isnan(s)], r[~np.isnan(s)]) for s, r in pairs]
    ranked = np.array([auroc(s, r) for s, r in known])
    ranked = ranked[~np.isnan(ranked)]
    chance = np.array([r.mean() for _, r in pairs])
    best = np.array([label_accuracy(*k) if k[0].size else c for k, c in zip(known, chance, strict=True)])
    samples = sum(r.size for _, r in pairs)
    return Selection(
        problems=len(pairs),
        mixed=len(ranked),
        undefined=1 - sum(s.size for s, _ in known) / samples if samples else float("nan"),
        auroc=mean_interval(ranked),
        best=mean_interval(best),
        random=mean_interval(chance),
        gain=difference_interval(best, chance),
        oracle=float(np.mean([r.any() for _, r in pairs])) if pairs else float("nan"),
    )
