"""Repetition in the text of completions: inside one (loops), and between those of a group (sameness).

    distinct-4         different 4-grams of tokens / all 4-grams, of one completion; 1 − "seq-rep-4" of
                       Welleck et al. (arXiv 1908.04319), distinct-n of Li et al. (arXiv 1510.03055)
    compression ratio  bytes / compressed bytes of a group's texts in one piece, after Shaib et al.
                       (arXiv 2403.00553), who use gzip; here zlib, the same without gzip's header

A completion that loops has few different 4-grams; a group whose completions resemble each other compresses
well though none of them loops.
"""

import math
import zlib
from collections.abc import Sequence

from rlif.diagnostics.health import mean
from rlif.rollouts import RolloutGroup

NGRAM = 4


def summarise_repetition(groups: Sequence[RolloutGroup]) -> dict[str, float]:
    """Return `distinct_4`, mean over completions, and `compression_ratio`, mean over groups."""
    return {
        "distinct_4": mean([distinct_ngrams(c.token_ids) for group in groups for c in group.completions]),
        "compression_ratio": mean([compression_ratio([c.text for c in g.completions]) for g in groups]),
    }


def distinct_ngrams(tokens: Sequence[int], n: int = NGRAM) -> float:
    """Return the share of different n-grams among all, in (0, 1]; NaN for fewer than n tokens."""
    count = len(tokens) - n + 1
    return len(set(zip(*(tokens[i:] for i in range(n)), strict=False))) / count if count > 0 else math.nan


def compression_ratio(texts: Sequence[str]) -> float:
    """Return bytes / compressed bytes of the texts, sorted and in one piece; NaN without any text.

    zlib looks back 32 KiB: of more text than that it sees how neighbours in the order resemble each other.
    """
    data = "\n".join(sorted(texts)).encode(errors="surrogatepass")  # a model's text may hold lone surrogates
    return len(data) / len(zlib.compress(data)) if any(texts) else math.nan
