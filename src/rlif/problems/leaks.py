"""`find_leaks`: problems that are in both of two sets, word for word or nearly.

Two statements are near-identical when the sets A and B of their 5-word shingles have a Jaccard similarity

    |A ∩ B| / |A ∪ B| ≥ threshold                                     (Broder 1997)

Found exactly, without comparing all pairs, by prefix filtering (Chaudhuri, Ganti and Kaushik 2006): with the
shingles in one order, rare ones first, two sets that are this similar share one of the first
|A| − ⌈threshold·|A|⌉ + 1 of each. Boilerplate, which all statements share, comes last and is not looked up.
"""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain

from rlif.errors import UserError
from rlif.problems.types import Problem

WORDS = 5
THRESHOLD = 0.9

Shingle = tuple[str, ...]


class LeakKind(StrEnum):
    """What two problems have in common."""

    SAME_ID = "same id"
    SAME_STATEMENT = "same statement"
    NEAR_IDENTICAL = "near-identical"


@dataclass(frozen=True, slots=True)
class Leak:
    """A problem of the training set that is also in the test set.

    similarity: of the statements, in [0, 1]; with the kind SAME_ID it may be anything.
    """

    train: Problem
    test: Problem
    kind: LeakKind
    similarity: float

    def __str__(self) -> str:
        train, test = (f"{problem.id} ({problem.date or 'no date'})" for problem in (self.train, self.test))
        return f"{self.kind}, similarity {self.similarity:.2f}: train {train}, test {test}"


def find_leaks(train: Sequence[Problem], test: Sequence[Problem], threshold: float = THRESHOLD) -> list[Leak]:
    """Return all pairs of a problem trained on and a problem tested on that are the same, or nearly.

    Args:
        train: problems to train on.
        test: problems to evaluate on.
        threshold: Jaccard similarity, above 0 and at most 1, from which statements are near-identical.

    Returns:
        In the order of `test`, the most similar first for each.

    Raises:
        UserError: the threshold is not in (0, 1].
    """
    if not 0 < threshold <= 1:
        raise UserError(f"threshold must be above 0 and at most 1; got {threshold:g}.")
    train_sets = [shingles(problem.statement) for problem in train]
    test_sets = [shingles(problem.statement) for problem in test]
    frequency = Counter(chain(*train_sets, *test_sets))
    order = {shingle: rank for rank, shingle in enumerate(sorted(frequency, key=frequency.__getitem__))}
    by_shingle: defaultdict[Shingle, list[int]] = defaultdict(list)
    for number, each in enumerate(train_sets):
        for shingle in _prefix(each, order, threshold):
            by_shingle[shingle].append(number)
    by_id = {problem.id: number for number, problem in enumerate(train)}
    leaks: list[Leak] = []
    for problem, each in zip(test, test_sets, strict=True):
        rare = _prefix(each, order, threshold)
        candidates = {number for shingle in rare for number in by_shingle.get(shingle, ())}
        if problem.id in by_id:
            candidates.add(by_id[problem.id])
        found = [_compare(train[number], train_sets[number], problem, each) for number in candidates]
        kept = [leak for leak in found if leak.kind is LeakKind.SAME_ID or leak.similarity >= threshold]
        leaks += sorted(kept, key=lambda leak: (-leak.similarity, leak.train.id))
    return leaks


def shingles(statement: str) -> frozenset[Shingle]:
    """Return the runs of five words of a statement; a shorter statement is one run."""
    words = normalise(statement).split()
    runs = frozenset(zip(*(words[i:] for i in range(WORDS)), strict=False))
    return runs or frozenset([tuple(words)])


def normalise(statement: str) -> str:
    """Return the words and numbers of a statement in lower case; signs such as + and < are words too."""
    return " ".join(re.findall(r"[^\W_]+|[-+*/%<>=^&|!]", statement.casefold()))


def _prefix(each: frozenset[Shingle], order: dict[Shingle, int], threshold: float) -> list[Shingle]:
    # Rounding must not shorten the prefix: 0.7 * 10 is a little more than 7.
    count = len(each) - math.ceil(threshold * len(each) - 1e-9) + 1
    return sorted(each, key=order.__getitem__)[:count]


def _compare(
    train: Problem, train_set: frozenset[Shingle], test: Problem, test_set: frozenset[Shingle]
) -> Leak:
    shared = len(train_set & test_set)
    similarity = shared / (len(train_set) + len(test_set) - shared)
    if train.id == test.id:
        kind = LeakKind.SAME_ID
    elif similarity == 1 and normalise(train.statement) == normalise(test.statement):
        kind = LeakKind.SAME_STATEMENT
    else:
        kind = LeakKind.NEAR_IDENTICAL
    return Leak(train, test, kind, similarity)
