"""How many seeds a recommendation asks for."""

import numpy as np

from rlif.conclusions.claims import Rules
from rlif.conclusions.claims.scores import Table
from rlif.conclusions.recommendations.power import needed_seeds


def scores(mean: float, seeds: int = 5, problems: int = 40, spread: float = 0.02, seed: int = 0) -> Table:
    """Scores with a seed's and a problem's part; the problems' part is the same in all tables."""
    rng = np.random.default_rng(seed)
    difficulty = np.random.default_rng(99).normal(0, 0.1, problems)
    values = mean + rng.normal(0, spread, (seeds, 1)) + difficulty + rng.normal(0, 0.1, (seeds, problems))
    return Table(values, (), tuple(f"p{i}" for i in range(problems)))


def test_seeds_asked_for_grow_with_the_spread_between_them():
    def seeds(spread: float) -> int:
        told = needed_seeds(scores(0, spread=spread, seed=1), scores(0, spread=spread, seed=2), Rules())
        return int(told.split("about ")[1].split()[0])

    assert 2 <= seeds(0.01) < seeds(0.03) < seeds(0.06)


def test_when_problems_are_what_is_too_few():
    few = [scores(0, problems=4, spread=0.0, seed=s) for s in (1, 2)]
    uneven = Table(few[0].values + np.array([0.5, -0.5, 0.5, -0.5]), (), few[0].problems)
    told = needed_seeds(uneven, few[1], Rules())
    assert told.endswith("5 points take more than 100 seeds an arm, or more problems.")
