"""A report of runs that no test judged says what their signals show, and that more cannot be known."""

from pathlib import Path

import pytest
from synthetic_study import SCRIPTS, Script, piecewise, write_run, write_seeded_study, write_study

from rlif.diagnostics import Mode, Verdict
from rlif.diagnostics.series import without_truth
from rlif.records import Role, RunDir
from rlif.report import build_report
from rlif.report.charts import charts
from rlif.report.figures.draw import draw
from rlif.report.grids import grids
from rlif.report.headline import headline
from rlif.report.load import Study, load_study
from rlif.report.unjudged import unjudged
from rlif.report.words import answers


def blind(run: RunDir) -> None:
    """Leave of a run what it would have recorded without tests."""
    steps, evals = without_truth(run.steps(), run.evals())
    run.metrics_path.write_text("".join(f"{record.model_dump_json()}\n" for record in steps))
    run.evals_path.write_text("".join(f"{record.model_dump_json()}\n" for record in evals))


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Three seeds each; self-certainty, which collapses, votes, which do not, and others."""
    directory = write_seeded_study(tmp_path_factory.mktemp("blind"))
    for _, run in directory.runs():
        blind(run)
    return load_study(directory.path)


@pytest.fixture
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rlif.report.build.write_figures", lambda *given: [])


def test_who_alarms_comes_first_with_a_step_and_who_is_quiet_gets_none(study: Study) -> None:
    alarming, quiet = unjudged(study)
    assert alarming.arm.name == "self_certainty"
    assert 3 <= int(alarming.until.split()[0]) <= 15  # lengths fall from step 5 on
    assert alarming.reason.startswith("length collapse: completion length in tokens")
    assert (quiet.arm.name, quiet.until) == ("functional_majority", "")
    assert quiet.reason == "no signal left its healthy range in 20 steps"
    assert [round(float(text)) for text in quiet.signals[0].split(" → ")] == pytest.approx([60, 60], abs=3)
    assert quiet.cost.seconds == 93


def test_no_part_compares_what_was_not_judged(study: Study) -> None:
    assert headline(study) == (
        "No held-out test judged the two rewards that need no tests; signals of one left their healthy range"
    )
    assert study.transfers == grids(study) == []
    [courses] = charts(study)
    assert courses.panels[0].title.startswith("Reward")
    said = [line.text for answer in answers(study) for line in answer.lines]
    assert not any("improved" in text or "is not shown to have fallen" in text for text in said)


@pytest.mark.usefixtures("no_figures")
def test_the_page_says_that_it_cannot_know(study: Study) -> None:
    page = build_report(study.path).read_text()
    first = page[page.index("<h1>") : page.index("What happened in training")]
    assert "Whether to use them cannot be known: no held-out test judged the answers" in first
    assert "no evaluation was judged by tests" in page
    assert "nan" not in first.lower()
    assert not (study.path / "recommendations.json").exists()


@pytest.mark.usefixtures("no_figures")
def test_rewards_that_were_judged_stand_beside_those_that_were_not(tmp_path: Path) -> None:
    scripts = {name: SCRIPTS[name] for name in ("self_certainty", "token_entropy")}
    directory = write_study(tmp_path, scripts, steps=20)
    blind(directory.run_dir("token_entropy"))
    page = build_report(tmp_path).read_text()
    assert "Should I use this reward, until when, and what does it cost?" in page
    assert "Rewards that no test judged: what is known of them" in page


@pytest.mark.usefixtures("no_figures")
def test_one_run_of_three_steps_without_any_evaluation_is_a_report(tmp_path: Path) -> None:
    run = RunDir(tmp_path / "short")
    write_run(run, SCRIPTS["self_certainty"], 4, 4, seed=0)
    blind(run)
    run.evals_path.unlink()
    study = load_study(run.path)
    assert headline(study) == (
        "short: undecided, because no held-out test judged it; and its signals do not tell either"
    )
    [found] = unjudged(study)
    assert (found.until, found.reason) == ("", "too few steps, or no signal recorded")
    assert "Whether to use it cannot be known" in build_report(run.path).read_text()


@pytest.mark.usefixtures("no_figures")
def test_one_evaluation_is_no_verdict(tmp_path: Path) -> None:
    directory = write_study(tmp_path, {"self_certainty": SCRIPTS["self_certainty"]}, steps=4, every=4)
    run = directory.run_dir("self_certainty")
    first = [record for record in run.evals() if record.step == 0]
    run.evals_path.write_text("".join(f"{record.model_dump_json()}\n" for record in first))
    study = load_study(tmp_path)
    assert headline(study).startswith("Self-certainty: undecided, because it was evaluated only once")
    assert unjudged(study) == []
    assert "it was evaluated only once" in build_report(tmp_path).read_text()


def test_the_step_is_that_of_a_signal_even_where_tests_saw_hacking_from_the_first(tmp_path: Path) -> None:
    # The pass rate in training falls while the reward rises: hacking, known by tests, "from" step 1 on.
    script = Script(
        "Hacked",
        Role.INTRINSIC,
        piecewise((0, 0.6), (1, 0.2)),
        length=lambda share: 60 if share <= 19 / 40 else 20,  # smoothed, it is short from step 19 on
        reward=piecewise((0, 1), (1, 2)),
        reward_type="self_certainty",
    )
    run = RunDir(tmp_path / "hacked")
    write_run(run, script, 40, 20, seed=0)
    run.evals_path.unlink()
    study = load_study(run.path)
    [arm] = study.arms
    assert [(mode.mode, mode.onset) for mode in arm.findings.modes] == [
        (Mode.REWARD_HACKING, 1),
        (Mode.LENGTH_COLLAPSE, 19),
    ]
    [found] = unjudged(study)
    assert found.until.split()[0] == "19"
    assert found.reason.startswith("length collapse: completion length in tokens")
    # The headline names the step only where nothing is known of performance.
    arm.runs[0].findings.verdict = Verdict.UNDECIDED
    assert headline(study).endswith("signals left their healthy range, first at step 19")


def test_figures_leave_out_pass_at_1(study: Study) -> None:
    assert list(draw(study, charts(study), [])) == ["signals"]
