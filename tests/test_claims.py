"""The claims on made-up studies whose truth is known: supported, not supported, undecided."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from rlif.conclusions import results
from rlif.conclusions.claims import CLAIMS, ClaimResult, Results, Verdict, judge
from rlif.conclusions.claims.data import COLUMNS
from rlif.conclusions.claims.judging import Holds, verdict_of
from rlif.conclusions.claims.scores import lifetimes
from rlif.conclusions.claims.table import markdown, terminal_table
from rlif.errors import UserError

Curve = Callable[[float], float]  # of the share of the budget that is spent
REWARDS = {"rlvr": "unit_tests"}
PROBLEMS, SAMPLES, BUDGET = 200, 8, 40
STEPS = (0, 10, 20, 30, 40)

DOCS = Path(__file__).parents[1] / "docs" / "claims.md"

SUPPORTED, NOT_SUPPORTED, UNDECIDED = Verdict


def through(*values: float) -> Curve:
    """A curve through equally spaced points."""
    return lambda share: float(np.interp(share, np.linspace(0, 1, len(values)), values))


@dataclass(frozen=True)
class Script:
    """What an arm does: pass@1, length, reasoning rate over the budget."""

    arm: str
    role: str = "intrinsic"
    family: str = "certainty"
    accuracy: Curve = lambda spent: 0.45
    length: Curve = lambda spent: 60
    reasoning: Curve = lambda spent: 0.5
    stop: float = math.nan  # where the shipped rule stops
    seeds: int = 5
    spread: float = 0.01  # standard deviation between seeds
    settings: tuple[tuple[str, Any], ...] = ()


RANDOM = Script("random", "control", "control")
RLVR = Script("rlvr", "verifiable", "verifiable", through(0.45, 0.55, 0.6))
RISE_AND_FALL = through(0.45, 0.57, 0.4, 0.3, 0.25)
FALLEN = {"accuracy": RISE_AND_FALL, "length": through(60, 55, 30, 20, 15), "stop": 12.0}
CERTAINTY = [
    Script(name, **FALLEN, reasoning=through(0.5, 0.1)) for name in ("self_certainty", "token_entropy")
]


def study(*scripts: Script) -> pl.DataFrame:
    """Draw a results table: problems differ a lot, seeds a little, answers are coin tosses."""
    rng = np.random.default_rng(0)
    difficulty = rng.normal(0, 0.1, PROBLEMS)
    rows = [
        row
        for script in scripts
        for seed in range(script.seeds)
        for row in _run(script, seed, difficulty, rng)
    ]
    return pl.DataFrame(rows, infer_schema_length=None)


def _run(script: Script, seed: int, difficulty: Any, rng: np.random.Generator) -> list[dict[str, Any]]:
    settings = dict(script.settings)
    shift = rng.normal(0, script.spread)
    rows: list[dict[str, Any]] = []
    for step in STEPS:
        spent = step / BUDGET
        chance = np.clip(script.accuracy(spent) + difficulty + (shift if step else 0), 0, 1)
        row = {
            "study": "made-up", "run": f"{script.arm}-{settings}-s{seed}",
            "arm": script.arm, "role": script.role, "family": script.family,
            "reward": REWARDS.get(script.arm, script.arm), "variation": "", "seed": seed,
            "temperature": 1.0, "num_generations": 8, "train_size": 128, "rlif_steps": 0,
            "total_steps": BUDGET, "step": step, "mode": "sampled", "samples": SAMPLES,
            "problems": [f"p{i}" for i in range(PROBLEMS)], "complete": True,
            "correct": rng.binomial(SAMPLES, chance).tolist(),
            "dead_step": math.nan, "stop_step": script.stop,
            "majority_share": math.nan, "length_mean": script.length(spent),
            "reasoning_rate": script.reasoning(spent) + rng.normal(0, 0.01),
            "reasoning_share": script.reasoning(spent), "truncated": 0.0, "no_code": 0.0,
            "entropy": 0.3 if step else math.nan,
        }  # fmt: skip
        rows.append(row | settings)
    return rows


def result(frame: pl.DataFrame, name: str) -> ClaimResult:
    (found,) = judge(frame, [claim for claim in CLAIMS if claim.id == name])
    return found


def verdict(frame: pl.DataFrame, name: str) -> Verdict:
    return result(frame, name).verdict


def flat(script: Script) -> Script:
    """The same arm, doing nothing."""
    return replace(RANDOM, arm=script.arm, role=script.role, family=script.family, spread=0.0)


COLLAPSING = study(*CERTAINTY, RANDOM, RLVR)
HARMLESS = study(*(flat(script) for script in CERTAINTY), RANDOM, RLVR)


def test_c1_gains_collapse_and_shortening_are_found_where_they_are():
    found = result(COLLAPSING, "C1")
    assert found.verdict is SUPPORTED
    assert found.estimate.low < 0.12 < found.estimate.high
    assert found.n_runs == 15
    assert 0 < found.detectable < 0.06
    assert [c.evidence.name for c in found.comparisons] == [
        "self_certainty, step 10 − step 0",
        "token_entropy, step 10 − step 0",
    ]
    assert verdict(COLLAPSING, "C2") is SUPPORTED
    assert verdict(COLLAPSING, "C3") is SUPPORTED


def test_c1_to_c3_are_refuted_by_arms_that_do_nothing():
    assert verdict(HARMLESS, "C1") is NOT_SUPPORTED
    assert verdict(HARMLESS, "C2") is NOT_SUPPORTED
    assert verdict(HARMLESS, "C3") is NOT_SUPPORTED


@pytest.mark.parametrize("name", ["C1", "C2", "C3"])
def test_what_the_control_does_too_is_no_merit_of_certainty(name: str):
    like_the_rest = replace(CERTAINTY[0], arm="random", role="control", family="control")
    assert verdict(study(*CERTAINTY, like_the_rest), name) is not SUPPORTED


@pytest.mark.parametrize("name", ["C1", "C2", "C3"])
def test_one_seed_decides_nothing(name: str):
    single = [replace(script, seeds=1) for script in (*CERTAINTY, RANDOM)]
    found = result(study(*single), name)
    assert found.verdict is UNDECIDED
    assert math.isnan(found.detectable)


def test_c1_is_undecided_when_seeds_differ_more_than_the_gain():
    wild = [replace(script, spread=0.2) for script in (*CERTAINTY, RANDOM)]
    found = result(study(*wild), "C1")
    assert found.verdict is UNDECIDED
    assert found.detectable > 0.1


def test_c2_is_refuted_by_one_reward_that_does_not_fall():
    assert verdict(study(CERTAINTY[0], flat(CERTAINTY[1]), RANDOM), "C2") is NOT_SUPPORTED


def test_c2_tells_how_many_runs_fell():
    assert (
        "10 of 10 runs lost 10% of their best within the budget, half of them by step 20"
        in result(COLLAPSING, "C2").details[0]
    )


def test_c3_needs_both_length_and_reasoning():
    shorter = [replace(script, reasoning=RANDOM.reasoning) for script in CERTAINTY]
    assert verdict(study(*shorter, RANDOM), "C3") is NOT_SUPPORTED


CENTRE = {"temperature": 1.0, "train_size": 128}


def falling(step: float) -> Curve:
    """Half of the answers are right, and two in ten from a step on (NaN: never)."""
    return lambda spent: 0.2 if spent * BUDGET >= step else 0.5


def axis(column: str, falls: dict[Any, list[float]]) -> list[Script]:
    """Runs of one certainty reward along an axis: for each level the step at which each seed falls."""
    return [
        Script("self_certainty", accuracy=falling(step), seeds=1, settings=(
            (column, level), ("seed", seed), ("run", f"{column}{level}s{seed}"),
            ("variation", "" if level == CENTRE[column] else f"{column}={level}"),
        ))
        for level, steps in falls.items()
        for seed, step in enumerate(steps)
    ]  # fmt: skip


HOT = axis(
    "temperature", {0.6: [math.nan] * 5, 1.0: [30.0, 40, 30, math.nan, 30], 1.4: [10.0, 10, 10, 20, 10]}
)
LARGE = axis(
    "train_size", {8: [math.nan] * 5, 128: [math.nan] * 3 + [30.0, 40], 1024: [10.0, 10, 20, 10, 10]}
)


def test_c4_needs_temperature_and_one_reading_of_sample_size():
    # The centre (temperature 1, 128 problems) stands on both axes, so its runs are given once.
    sizes = [s for s in LARGE if dict(s.settings)["train_size"] != 128]
    found = result(study(*HOT, *sizes), "C4")
    assert found.verdict is SUPPORTED
    assert found.estimate.low > 0  # log of the hazard ratio: hotter falls sooner
    assert [c.verdict for c in found.comparisons] == [SUPPORTED, UNDECIDED, SUPPORTED]
    assert "No run varies the rollouts a prompt." in found.details
    assert (
        "Fallen by temperature: 0.6: 0 of 5; 1: 4 of 5, median step 30; 1.4: 5 of 5, median step 10."
        in found.details
    )
    assert verdict(study(*HOT), "C4") is UNDECIDED  # nothing is known of sample size


def test_lifetimes_of_unequal_budgets_end_with_the_shortest():
    """A fall after it counts for no run, since the others had no time to show theirs."""
    late, early = (Script(f"from {step}", accuracy=falling(step), seeds=1) for step in (40, 10))
    runs = Results(study(late, early).filter((pl.col("arm") == "from 40") | (pl.col("step") <= 30))).runs
    steps, fallen = lifetimes(sorted(runs, key=lambda run: run.last), share=0.1)
    assert (steps.tolist(), fallen.tolist()) == ([10, 30], [True, False])


def test_c4_is_refuted_by_an_axis_that_does_nothing():
    alike = {level: [10.0, 20, 30, 20, 10, 30, 20, math.nan] * 12 for level in (0.5, 1.0, 8.0)}
    assert verdict(study(*axis("temperature", alike)), "C4") is NOT_SUPPORTED


def test_c4_leaves_out_runs_that_vary_something_else():
    other = replace(
        HOT[0], settings=(*HOT[0].settings, ("run", "x"), ("variation", "lr=1"), ("temperature", 1.0))
    )
    assert len(Results(study(*HOT, other)).along("temperature")) == 15


def transfer(k: int, accuracy: Curve, **change: Any) -> Script:
    return Script(f"sc-{k}-rlvr", "transfer", "", accuracy, settings=(("rlif_steps", k),), **change)


def test_c5_is_supported_when_it_ends_where_scratch_does():
    # After k steps without tests, as good as scratch after k steps with tests: a head start that was not.
    found = result(study(RLVR, transfer(10, through(0.45, 0.45, 0.52, 0.56, 0.58))), "C5")
    assert found.verdict is SUPPORTED
    assert found.estimate.estimate < 0.01
    assert [c.evidence.name for c in found.comparisons] == [
        "sc-10-rlvr, k = 10, equal total (40)",
        "sc-10-rlvr, k = 10, equal steps on tests (30)",
    ]


def test_c5_is_refuted_by_a_better_end_and_undecided_between():
    better = transfer(10, through(0.45, 0.55, 0.6, 0.7, 0.75))
    assert verdict(study(RLVR, better), "C5") is NOT_SUPPORTED
    unsure = [
        replace(script, spread=0.1)
        for script in (RLVR, transfer(10, lambda spent: RLVR.accuracy(spent) + 0.04))
    ]
    assert verdict(study(*unsure), "C5") is UNDECIDED


def test_c5_takes_the_steps_that_each_run_made_where_a_rule_chose_them():
    # Tests teach 1.25 points a step, and the steps before nothing: at equal steps on tests all are alike.
    def taught(k: int) -> Curve:
        return lambda spent: 0.3 + 0.5 * max(0.0, spent - k / BUDGET)

    stopped = [
        Script("stopped", "transfer", "", taught(k), seeds=1, settings=(("rlif_steps", k), ("seed", seed)))
        for seed, k in enumerate((10, 20, 20, 10))
    ]
    found = result(study(replace(RLVR, accuracy=taught(0)), *stopped), "C5")
    on_total, on_tests = (comparison.evidence for comparison in found.comparisons)
    assert on_total.name == "stopped, k = 10 to 20, equal total (40)"
    assert on_total.estimate.estimate == pytest.approx(-0.0125 * 15, abs=0.02)
    assert on_tests.name == "stopped, k = 10 to 20, equal steps on tests (20)"
    assert on_tests.estimate.estimate == pytest.approx(0, abs=0.02)


def test_c5_names_what_it_has_nothing_to_compare_with():
    found = result(study(RLVR, transfer(10, RLVR.accuracy), transfer(BUDGET, RLVR.accuracy)), "C5")
    assert len(found.comparisons) == 2
    assert found.details[-1] == "Left out, no evaluation of tests from scratch fits: sc-40-rlvr, k = 40."


def test_c6_stops_before_the_fall_and_lets_training_on_tests_run():
    found = result(COLLAPSING, "C6")
    assert found.verdict is SUPPORTED
    assert found.estimate.low > 0.2
    assert found.details[0].startswith("The rule stopped 10 of 10 runs.")


def test_c6_is_refuted_when_the_rule_stops_good_runs_too():
    assert verdict(study(*CERTAINTY, RANDOM, replace(RLVR, stop=0.0)), "C6") is NOT_SUPPORTED


def test_c6_is_refuted_when_nothing_is_lost_by_training_on():
    assert verdict(HARMLESS, "C6") is NOT_SUPPORTED


def test_without_the_runs_a_claim_is_undecided_and_says_what_is_missing():
    found = {r.id: r for r in judge(study(RANDOM))}
    assert {r.verdict for r in found.values()} == {UNDECIDED}
    assert found["C1"].details == ("There is no complete run of a certainty intrinsic reward.",)
    assert found["C5"].details == ("There is no complete run of a verifiable reward.",)
    assert found["C1"].runs == ()


def test_incomplete_runs_are_left_out_and_counted():
    late = replace(RANDOM, settings=(("complete", False), ("run", "late")), seeds=1)
    found = result(study(*CERTAINTY, RANDOM, RLVR, late), "C1")
    assert found.n_runs == 15
    assert found.details[-1] == "Incomplete runs left out: 1."


def test_a_table_without_the_columns_is_refused():
    with pytest.raises(UserError, match="lack the columns: dead_step"):
        judge(COLLAPSING.drop("dead_step"))


def test_a_claim_of_ones_own():
    """The example of docs/claims.md, as it stands there."""
    code = re.search(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)
    assert code
    names: dict[str, Any] = {"__name__": "example"}
    exec(code[1], names)
    found = names["tests_win"](COLLAPSING)
    assert found.verdict is SUPPORTED
    assert found.hypothesis.endswith("refuted when below 0.05")
    assert found.estimate.estimate == pytest.approx(0.35, abs=0.03)
    assert found.n_runs == 10
    assert names["tests_win"](study(RANDOM)).verdict is UNDECIDED


def test_the_verdict_table():
    results = judge(COLLAPSING)
    lines = markdown(results).splitlines()
    assert lines[0] == "| claim | verdict | estimate | detectable | runs |"
    assert lines[2].startswith(
        "| C1. Certainty rewards give early gains in pass@1. | supported | gain in pass@1"
    )
    assert lines[6].startswith("| C5. RLIF as initialisation")
    assert "There is no complete run with tests after an intrinsic reward." in lines[6]
    assert "| self_certainty, length lost | +75.0 [+75.0, +75.0]% | 0.000 |" in markdown(
        results, comparisons=True
    )
    assert terminal_table(results).row_count == 6


def test_claims_read_what_studies_export():
    assert set(COLUMNS) <= set(results.COLUMNS)


def test_no_limit_on_the_train_set_is_no_level_of_it():
    frame = study(*LARGE).with_columns(train_size=pl.col("train_size").replace(1024, None))
    assert len(Results(frame).along("train_size")) == 10


def test_verdicts_combine():
    s, n, u = SUPPORTED, NOT_SUPPORTED, UNDECIDED
    assert verdict_of([s, s, s], Holds.EVERYWHERE) is s
    assert verdict_of([s, s, u], Holds.EVERYWHERE) is u
    assert verdict_of([s, s, n], Holds.EVERYWHERE) is n
    assert verdict_of([s, s, n], Holds.MOSTLY) is s
    assert verdict_of([s, s, n, u], Holds.MOSTLY) is u  # half is not most
    assert verdict_of([], Holds.EVERYWHERE) is verdict_of([], Holds.MOSTLY) is u
