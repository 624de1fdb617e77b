"""Several seeds of one reward become one arm: means, intervals for other seeds, one decision."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from synthetic_study import SCRIPTS, step_records, write_seeded_study, write_study

from rlif.diagnostics import Interval
from rlif.records import EvalRecord, Role
from rlif.report.axes import axes
from rlif.report.chart import Line, as_json
from rlif.report.charts import charts, shown_first
from rlif.report.claims import claims
from rlif.report.contrast import contrast
from rlif.report.curves import MOST_POINTS, onset, pass_at_1
from rlif.report.decisions import Use, decisions
from rlif.report.figures.lines import scaled
from rlif.report.forest import against_control, signed, span, transfers
from rlif.report.grids import Cell, grids
from rlif.report.highlight import highlighted
from rlif.report.lifetimes import along_axes, lifetimes
from rlif.report.load import Study, load_study
from rlif.report.pooled import mean_steps, pooled_evals
from rlif.report.table import rows
from rlif.report.tabular import Tabular, escape, latex, markdown
from rlif.statistics import crossed


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    path = tmp_path_factory.mktemp("seeded")
    write_seeded_study(path)
    return load_study(path)


def evaluation(correct: dict[str, int]) -> EvalRecord:
    given = {"step": 0, "stage": "", "mode": "sampled", "samples": 4, "temperature": 1.0, "max_tokens": 8}
    score = sum(correct.values()) / 4 / len(correct)
    return EvalRecord.model_validate(
        given | {"problems": len(correct), "pass_at_1": score, "correct": correct, "length_mean": score}
    )


# Pooling


def test_steps_are_averaged_as_far_as_all_runs_got() -> None:
    rng = np.random.default_rng(0)
    first, second = step_records(SCRIPTS["rlvr"], 4, rng), step_records(SCRIPTS["rlvr"], 3, rng)
    second[1].kl, second[2].entropy = 0.5, math.nan
    found = mean_steps([first, second])
    assert [record.step for record in found] == [1, 2, 3]
    assert found[0].length_mean == pytest.approx((first[0].length_mean + second[0].length_mean) / 2)
    assert found[1].kl == 0.5  # only one run says
    assert found[2].entropy == pytest.approx(first[2].entropy)
    assert math.isnan(found[0].kl)


def test_evaluations_are_put_together_by_hand() -> None:
    runs = [[evaluation({"a": 4, "b": 0, "only here": 1})], [evaluation({"b": 2, "a": 4})]]
    [found] = pooled_evals(runs)
    assert (found.samples, found.problems, found.correct) == (8, 2, {"a": 8, "b": 2})
    assert found.pass_at_1 == pytest.approx((1 + 0 + 1 + 0.5) / 4)
    expected = crossed.mean(np.array([[1, 0], [1, 0.5]]))
    assert found.pass_at_1_ci == pytest.approx((expected.low, expected.high))


def test_arms_are_runs_that_differ_in_their_seed(study: Study) -> None:
    assert len(study.runs) == 27
    assert [len(arm.runs) for arm in study.arms] == [3] * 9
    assert [arm.label for arm in study.centre] == [
        "Tests (RLVR)",
        "Self-certainty",
        "Functional majority",
        "Random (control)",
        "Self-certainty, then tests",
    ]
    assert study.arms[2].label == "Self-certainty, temperature=0.6"


def test_a_study_without_seeds_has_an_arm_a_run(tmp_path: Path) -> None:
    write_study(tmp_path, steps=10)
    study = load_study(tmp_path)
    assert [arm.id for arm in study.arms] == list(SCRIPTS)
    assert all(arm.findings is arm.runs[0].findings for arm in study.arms)


def test_unfinished_seeds_are_left_out_and_counted(tmp_path: Path) -> None:
    directory = write_seeded_study(tmp_path, seeds=2, steps=10)
    run = directory.run_dir("random-s1")
    status = run.read_status()
    assert status
    run.write_status(status.model_copy(update={"state": "failed"}))
    arm = load_study(tmp_path).control
    assert arm
    assert [run.id for run in arm.runs] == ["random-s0"]
    assert arm.note == "1 unfinished left out"


# Comparing and deciding


def test_a_contrast_of_arms_is_that_of_crossed_random_effects(study: Study) -> None:
    assert study.tests
    assert study.control
    found = contrast(study.tests, study.control)
    assert found
    tables = [
        np.array([[r.correct[f"p{i}"] / 8 for i in range(96)] for run in arm.runs for r in run.evals
                  if (r.step, r.mode) == (20, "sampled")])
        for arm in (study.tests, study.control)
    ]  # fmt: skip
    expected = crossed.difference(*tables)
    assert found.difference.estimate == pytest.approx(expected.estimate)
    assert (found.difference.low, found.difference.high) == pytest.approx((expected.low, expected.high))
    assert found.outcome == "better"
    assert contrast(study.tests, study.control, 7) is None


def test_each_reward_gets_the_answer_it_was_made_for(study: Study) -> None:
    found = {decision.arm.name: decision for decision in decisions(study)}
    assert list(found) == ["functional_majority", "self_certainty"]
    assert (found["functional_majority"].use, found["functional_majority"].until) == (Use.YES, 20)
    assert found["functional_majority"].later is None
    collapsed = found["self_certainty"]
    assert collapsed.until in (None, 5)  # best at a quarter of the run, where the gain may not be shown
    assert collapsed.later
    assert collapsed.later.high < -0.2
    assert collapsed.cost.seconds == 93


def test_a_reward_that_was_evaluated_once_is_undecided(tmp_path: Path) -> None:
    directory = write_study(tmp_path, {"self_certainty": SCRIPTS["self_certainty"]}, steps=10)
    run = directory.run_dir("self_certainty")
    first = [record for record in run.evals() if record.step == 0]
    run.evals_path.write_text("".join(f"{record.model_dump_json()}\n" for record in first))
    [found] = decisions(load_study(tmp_path))
    assert (found.use, found.reason) == (Use.UNDECIDED, "it was evaluated only once")


def test_transfer_is_compared_at_both_budgets(study: Study) -> None:
    found = transfers(study)
    assert found
    assert [row.at for row in found.rows] == [
        "20 steps in all (5 without tests)",
        "15 steps on tests (after 5 without)",
    ]
    assert {(row.what, row.runs) for row in found.rows} == {("Self-certainty, then tests", 6)}
    control = against_control(study)
    assert control
    assert [row.what for row in control.rows][-1] == "Self-certainty"


# Grids, lifetimes, curves


def test_grids_over_steps_and_along_the_axis(study: Study) -> None:
    steps, temperature = grids(study)
    assert steps.columns == ("5", "10", "15", "20")
    assert temperature.columns == ("temperature = 0.6", "temperature = 1.0 (centre)", "temperature = 1.4")
    assert [label for label, _ in temperature.rows] == ["Self-certainty (at step 20)"]
    [(_, cells)] = temperature.rows
    assert all(cell and cell.tone == "heat-below-3" for cell in cells)


@pytest.mark.parametrize(
    ("low", "estimate", "high", "tone"),
    [
        (0.01, 0.03, 0.05, "heat-above-1"),
        (-0.2, -0.1, -0.01, "heat-below-3"),
        (-0.01, 0.06, 0.13, "heat-0"),  # not shown to differ
        (0.001, 0.01, 0.02, "heat-0"),  # shown, and too small to matter
    ],
)
def test_tones_by_hand(low: float, estimate: float, high: float, tone: str) -> None:
    assert Cell(Interval(estimate=estimate, low=low, high=high), 3).tone == tone


def test_lifetimes_count_by_family(study: Study) -> None:
    found = {life.key: life for life in lifetimes(study)}
    assert list(found) == ["certainty", "consensus", "transfer", "verifiable", "control"]
    assert (found["certainty"].collapsed, found["certainty"].runs) == (3, 3)
    assert found["verifiable"].collapsed == 0
    assert found["certainty"].curve.alive[-1] == 0


def test_a_run_collapses_when_its_loss_shows_and_not_at_its_best(study: Study) -> None:
    certainty = next(life for life in lifetimes(study) if life.key == "certainty")
    assert certainty.curve.times.min() > 5  # made to be best at step 5 of 20


def test_lifetimes_along_an_axis_are_of_rewards_without_tests(study: Study) -> None:
    [(axis, curves)] = along_axes(study).items()
    assert axis == "temperature"
    assert [(life.name, life.collapsed, life.runs) for life in curves] == [
        ("temperature = 0.6", 3, 3),
        ("temperature = 1.0 (centre)", 3, 3),
        ("temperature = 1.4", 3, 3),
    ]


def test_a_level_that_no_key_has_leaves_the_centre_without_a_value(tmp_path: Path) -> None:
    directory = write_study(
        tmp_path, {"a": SCRIPTS["self_certainty"], "b": SCRIPTS["self_certainty"]}, steps=10
    )
    info = json.loads(directory.info_path.read_text())
    info["runs"][0] |= {"arm": "certainty", "variation": ""}
    info["runs"][1] |= {"arm": "certainty", "variation": "flavour=sweet"}
    directory.info_path.write_text(json.dumps(info))
    [axis] = axes(load_study(tmp_path))
    assert (axis.centre, axis.levels) == ("centre", ("centre", "sweet"))
    assert [axis.title(level) for level in axis.levels] == ["centre", "flavour = sweet"]


def test_the_band_of_pass_at_1_is_over_seeds(study: Study) -> None:
    assert study.tests
    line = pass_at_1(study.tests)
    values = [
        record.pass_at_1 for run in study.tests.runs for record in run.evals if record.mode == "sampled"
    ]
    last = values[len(values) // 3 - 1 :: len(values) // 3]
    half = 4.302653 * np.std(last, ddof=1) / math.sqrt(3)  # t(0.975, 2)
    assert (line.y[-1], line.high[-1] - line.y[-1]) == pytest.approx((np.mean(last), half), rel=1e-5)


def test_another_stage_is_another_scale(study: Study) -> None:
    [courses] = [chart for chart in charts(study) if chart.id == "courses"]
    rewards = next(panel for panel in courses.panels if panel.own_scale)
    line = rewards.lines[study.transfers[0].arm.id]
    assert line.parts == (5,)  # steps 1 to 5 without tests
    drawn = scaled(Line([1, 2, 3, 4], [9.0, 8.0, 0.1, 0.3], [], [], parts=(2,)))
    assert drawn.y[:2] + drawn.y[3:5] == [1, 0, 0, 1]


def test_long_series_are_thinned_and_numbers_short(tmp_path: Path) -> None:
    write_study(tmp_path, {"self_certainty": SCRIPTS["self_certainty"]}, steps=1000, every=100)
    study = load_study(tmp_path)
    [courses] = as_json(charts(study))
    line = courses["panels"][2]["lines"]["self_certainty"]
    assert len(line["x"]) <= MOST_POINTS + 1
    assert (line["x"][0], line["x"][-1]) == (1, 1000)
    assert all(len(str(value)) <= 7 for value in line["y"])
    assert "low" not in line  # one run: no interval
    marks = courses["series"][0]["marks"]
    assert marks["onset"] == onset(study.arms[0])
    assert marks["peak"] in (200, 300)  # made to be best at 250


def test_few_arms_are_shown_first(study: Study) -> None:
    assert {arm.role for arm in shown_first(study)} >= {Role.VERIFIABLE, Role.CONTROL}


# Tables, texts


def test_columns_without_any_number_are_left_out(study: Study, tmp_path: Path) -> None:
    assert "Greedy: end" in rows(study)[0]
    directory = write_study(tmp_path, {"self_certainty": SCRIPTS["self_certainty"]}, steps=10)
    run = directory.run_dir("self_certainty")
    sampled = [record for record in run.evals() if record.mode == "sampled"]
    run.evals_path.write_text("".join(f"{record.model_dump_json()}\n" for record in sampled))
    columns, [row] = rows(load_study(tmp_path))
    assert not any(column.startswith("Greedy") for column in columns)
    assert len(row.cells) == len(columns) - 2


def test_tables_by_hand() -> None:
    table = Tabular("t", "50% & more", ("Run", "pass@1"), (("a_b | c", "−1.0"),))
    assert markdown(table) == "| Run | pass@1 |\n| --- | --- |\n| a_b \\| c | −1.0 |\n"
    assert r"a\_b | c & $-$1.0 \\" in latex(table)
    assert r"\caption{50\% \& more}" in latex(table)
    assert escape("\\{x}\n→") == r"\textbackslash{}\{x\} $\rightarrow$"


def test_points_by_hand() -> None:
    assert [signed(x) for x in (0.123, -0.0561, -0.0001, math.nan)] == ["+12.3", "−5.6", "+0.0", "–"]
    assert span(Interval(estimate=0.1, low=-0.01, high=0.2)) == "−1.0 to +20.0"
    assert span(Interval(estimate=0.1)) == "none"


def test_code_is_highlighted_and_never_markup() -> None:
    found = highlighted("return '</pre><script>'  # <b>\n")
    assert "<script" not in found
    assert "<b>" not in found
    assert '<span class="k">return</span>' in found


def test_advice_is_written_and_what_is_decided_comes_first(study: Study) -> None:
    found = claims(study).advice
    assert found
    assert [item.decided for item in found] == sorted((item.decided for item in found), reverse=True)
    written = json.loads((study.path / "recommendations.json").read_text())
    assert {item["id"] for item in written} == {item.id for item in found}
