"""Coverage of intervals over seeds and problems, on simulated studies whose true difference is known.

    python benchmarks/statistics_coverage.py [--simulations 1000]

Two conditions are judged on the same P problems with `SAMPLES` answers each, S runs a condition:

    P(right) = Φ(m + a_s + b_p + d_p + c_sp)     a, b, c, d normal; b is shared by the conditions
    E[share of right samples] = Φ(m / √(1 + σ_a² + σ_b² + σ_c² + σ_d²))

so that the truth is exact. Printed: how often each interval of nominally 95% holds the true difference (with
1,000 simulations, ± 1.4 is noise); how often two one-sided tests call two conditions equivalent whose true
difference is the margin (it should be at most 5%); and the width of the crossed interval in points.
"""

import math
from argparse import ArgumentParser
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from rlif.statistics import bootstrap, crossed, runs
from rlif.statistics.equivalence import equivalence
from rlif.statistics.estimate import Estimate

Floats = NDArray[np.floating[Any]]

SAMPLES = 4
SECOND, DIFFERENCE, MARGIN = 0.45, 0.08, 0.05


@dataclass(frozen=True)
class Design:
    """A simulated comparison; standard deviations are on the probit scale (0.1: some 3 points of pass@1)."""

    name: str
    seeds: int
    problems: int = 100
    seed: float = 0.1
    problem: float = 1.0
    problem_by_condition: float = 0.3
    residual: float = 0.3
    difference: float = DIFFERENCE

    def draw(self, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """Return scores [S, P] of both conditions."""
        shared = rng.normal(0, self.problem, self.problems)
        return self._scores(SECOND + self.difference, shared, rng), self._scores(SECOND, shared, rng)

    def _scores(self, truth: float, shared: Floats, rng: np.random.Generator) -> Floats:
        spreads = (self.seed, self.problem, self.problem_by_condition, self.residual)
        mean = ndtri(truth) * math.sqrt(1 + sum(spread**2 for spread in spreads))
        own = rng.normal(0, self.problem_by_condition, self.problems)
        noise = rng.normal(0, self.residual, (self.seeds, self.problems))
        latent = mean + shared + own + noise + rng.normal(0, self.seed, (self.seeds, 1))
        return rng.binomial(SAMPLES, ndtr(latent)) / SAMPLES


DESIGNS = (
    Design("5 seeds, 100 problems", 5),
    Design("seeds alike", 5, seed=0.0),
    Design("seeds three times as different", 5, seed=0.3),
    Design("30 problems", 5, problems=30),
    Design("400 problems", 5, problems=400),
    Design("3 seeds", 3),
    Design("3 seeds, alike", 3, seed=0.0),
    Design("3 seeds, 400 problems", 3, problems=400),
    Design("10 seeds", 10),
)

METHODS: dict[str, Callable[[Floats, Floats], Estimate]] = {
    "crossed t": crossed.difference,
    "crossed t, seeds paired": lambda a, b: crossed.difference(a, b, paired_seeds=True),
    "bootstrap of both": bootstrap.difference,
    "bootstrap of problems": lambda a, b: bootstrap.mean_over_problems(a.mean(axis=0) - b.mean(axis=0)),
    "Welch's t of run means": lambda a, b: runs.difference(a.mean(axis=1), b.mean(axis=1)),
}


def row(design: Design, simulations: int) -> list[str]:
    """Return one line of the table."""
    rng = np.random.default_rng(0)
    held: dict[str, list[bool]] = {name: [] for name in METHODS}
    widths: list[float] = []
    for _ in range(simulations):
        scores = design.draw(rng)
        for name, method in METHODS.items():
            found = method(*scores)
            held[name].append(found.low <= design.difference <= found.high)
            if name == "crossed t":
                widths.append(found.high - found.low)
    at_margin = replace(design, difference=MARGIN)
    tests = [
        equivalence(crossed.difference(*at_margin.draw(rng)), MARGIN).equivalent for _ in range(simulations)
    ]
    shares = [*(np.mean(hits) for hits in held.values()), np.mean(tests)]
    return [design.name, *(f"{100 * share:.1f}" for share in shares), f"{100 * np.mean(widths):.1f}"]


def main() -> None:
    parser = ArgumentParser(description="Coverage of intervals over seeds and problems.")
    parser.add_argument("--simulations", type=int, default=1000)
    simulations = parser.parse_args().simulations
    header = ["design", *METHODS, "equivalent at the margin", "width"]
    print(f"| {' | '.join(header)} |\n{'|---' * len(header)}|")
    for design in DESIGNS:
        print(f"| {' | '.join(row(design, simulations))} |", flush=True)


if __name__ == "__main__":
    main()
