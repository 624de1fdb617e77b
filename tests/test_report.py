"""The report says what the data show, no more; and it is one file that needs nothing else."""

import base64
import hashlib
import html
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import typer
from rich.console import Console
from synthetic_study import SCRIPTS, Script, piecewise, rollout_rows, step_records, write_run, write_study
from typer.testing import CliRunner

from rlif.cli.report import report
from rlif.conclusions.families import role_of
from rlif.diagnostics import Verdict
from rlif.errors import UserError
from rlif.records import Role, RunDir, RunState, StudyDir
from rlif.report import build_report, terminal_table
from rlif.report.headline import headline
from rlif.report.load import load_study
from rlif.report.samples import MAX_CHARACTERS, samples
from rlif.report.style import looks
from rlif.report.table import SYMBOLS, TERMINAL, tabular
from rlif.report.tabular import markdown
from rlif.report.words import answers


@pytest.fixture(scope="module")
def study_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("study")
    write_study(path)
    build_report(path)
    return path


@pytest.fixture(scope="module")
def page(study_path: Path) -> str:
    return (study_path / "report.html").read_text()


@pytest.fixture(autouse=True)
def no_more_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only `study_path`, which is built before this, draws figures: they take the most time by far."""
    monkeypatch.setattr("rlif.report.build.write_figures", lambda *given: [])


def flat(label: str, role: Role) -> Script:
    kind = "random" if role is Role.CONTROL else "self_certainty"
    return Script(label, role, piecewise((0, 0.4)), reward=lambda share: 1.0, reward_type=kind)


def said(path: Path) -> str:
    """Everything the first screen says."""
    study = load_study(path)
    lines = [f"{line.subject} {line.text}" for answer in answers(study) for line in answer.lines]
    return "\n".join([headline(study), *lines])


# The page


def test_everything_is_written(study_path: Path) -> None:
    figures = {path.name for path in (study_path / "figures").iterdir()}
    names = ("pass_at_1", "signals", "transfer", "gain_steps")
    assert figures == {f"{name}.{kind}" for name in names for kind in ("svg", "png", "pdf")}
    assert (study_path / "summary.md").read_text().count("\n") == 2 + len(SCRIPTS)
    summary = json.loads((study_path / "summary.json").read_text())
    assert [run["id"] for run in summary["runs"]] == list(SCRIPTS)
    assert summary["runs"][1]["findings"]["verdict"] == "collapsed"
    tables = {path.name for path in (study_path / "tables").iterdir()}
    assert tables == {f"{name}.{kind}" for name in ("runs", "control", "transfer") for kind in ("md", "tex")}


def test_the_page_is_self_contained(page: str) -> None:
    assert set(re.findall(r"https?://[^\s\"'<)]+", page)) == {"http://www.w3.org/2000/svg"}  # a namespace
    assert not re.search(r"<(img|iframe|object)\b|\bsrc=|@import|url\(", page)
    assert re.findall(r"<link [^>]*>", page) == ['<link rel="icon" href="data:,">']


def test_only_the_scripts_of_the_page_may_run(page: str) -> None:
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy
    stated = html.unescape(policy[1])
    assert "default-src 'none'" in stated
    scripts = re.findall(r"<script>(.*?)</script>", page, flags=re.DOTALL)
    digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts]
    assert stated.endswith("script-src " + " ".join(f"'sha256-{digest}'" for digest in digests))


def test_no_label_leaves_the_data_of_the_charts(tmp_path: Path) -> None:
    hostile = "</script><script>alert(1)</script><!--"
    write_study(tmp_path, {"a": replace(SCRIPTS["rlvr"], label=hostile)}, steps=10)
    page = build_report(tmp_path).read_text()
    data = re.search(r'<script type="application/json" id="charts">(.*?)</script>', page, flags=re.DOTALL)
    assert data
    assert json.loads(data[1])[0]["series"][0]["label"] == hostile
    assert "alert(1)</script>" not in page


def test_completions_are_shown_as_text_whatever_they_hold(page: str) -> None:
    assert "&lt;script&gt;alert(" in page
    assert "<b>&amp;" not in page


def test_runs_are_told_apart_without_colour(study_path: Path) -> None:
    study = load_study(study_path)
    look = looks(study.arms)
    assert len({(style.dash, style.marker) for style in look.values()}) == len(SCRIPTS)
    assert look["rlvr"].colour.name == "ink"
    assert look["random"].colour.name == "grey"


def test_a_failing_disk_is_a_message(study_path: Path, tmp_path: Path) -> None:
    path = tmp_path / "run"
    write_run(RunDir(path), SCRIPTS["rlvr"], 10, 5, seed=0)
    (path / "tables").write_text("a file where the directory should be")
    with pytest.raises(UserError, match="cannot be written"):
        build_report(path)


# The words


def test_the_first_screen_says_who_gained_who_collapsed_when_and_how_it_showed(study_path: Path) -> None:
    text = said(study_path)
    assert text.startswith(
        "Of three rewards that need no tests, two gained at first and one of these lost it again"
    )
    assert re.search(
        r"Self-certainty collapsed from 40\.0% \(best 50\.4% at step 10\) to 7\.6%: −42\.8 points", text
    )
    assert re.search(
        r"Self-certainty: completion length in tokens [56]\d\S* → 1\d\S*; .*reward kept rising", text
    )
    assert "Self-certainty should be stopped near step 10" in text
    assert "Tests (RLVR) improved from 40.2% to 59.1%" in text


def test_transfer_is_answered_at_both_budgets_by_its_interval(study_path: Path) -> None:
    study = load_study(study_path)
    [transfer] = study.transfers
    assert transfer.found.rlif_steps == 10
    text = said(study_path)
    assert "after 40 steps in all" in text
    assert "after 30 steps on tests each (10 steps without tests came first)" in text
    words = {
        "better": "better,",
        "worse": "worse,",
        "equal": "no difference beyond",
        "undecided": "undecided,",
    }
    for found in (transfer.found.equal_total, transfer.found.equal_rlvr):
        assert found is not None
        estimate = f"{100 * found.difference.estimate:+.1f}".replace("-", "−")
        assert re.search(rf"{words[found.outcome]}.*{re.escape(estimate)} points", text)


def test_nothing_is_claimed_where_nothing_happened(tmp_path: Path) -> None:
    scripts = {
        "a": flat("Reward A", Role.INTRINSIC),
        "b": flat("Reward B", Role.INTRINSIC),
        "c": flat("Chance", Role.CONTROL),
    }
    write_study(tmp_path, scripts, steps=20)
    text = said(tmp_path)
    assert text.startswith("Of two rewards that need no tests, none is shown to have gained")
    assert not re.search(r"improved|collapsed|at first|should be stopped|better|worse|How did", text)
    assert len(re.findall("is unchanged|is undecided", text)) == 3


def test_every_run_is_held_against_the_control(study_path: Path) -> None:
    text = said(study_path)
    assert re.search(r"Self-certainty against Random \(control\): worse, −3\d\.\d points", text)
    assert re.search(r"Tests \(RLVR\) against Random \(control\): better, \+\d+\.\d points", text)
    assert "Random (control) fell too" not in text


def test_a_control_that_falls_takes_its_share_of_the_blame(tmp_path: Path) -> None:
    control = replace(SCRIPTS["self_certainty"], label="Chance", role=Role.CONTROL)
    write_study(tmp_path, {"c": control, "s": SCRIPTS["self_certainty"]})
    text = said(tmp_path)
    assert "Chance fell too: what the others lost is their reward's work only as far as they differ" in text
    assert "Self-certainty against Chance: no difference" in text or "Chance: undecided" in text


def test_answers_to_held_out_problems_show_what_training_steps_are_too_few_for(tmp_path: Path) -> None:
    falling = replace(
        flat("Falling", Role.INTRINSIC),
        accuracy=piecewise((0, 0.50), (1, 0.20)),
        reasoning=piecewise((0, 0.5), (1, 0.4)),
    )
    write_study(tmp_path, {"f": falling}, steps=4, every=2)
    text = said(tmp_path)
    assert re.search(
        r"share of tokens spent on reasoning (49|50)\.\d% → (39|40)\.\d% on held-out problems", text
    )


def test_greedy_answers_are_mentioned_where_they_moved(tmp_path: Path) -> None:
    study = write_study(tmp_path, {"a": flat("Flat", Role.CONTROL)}, steps=20)
    run = study.run_dir("a")

    def set_last_greedy(correct: dict[str, int]) -> None:
        records = run.evals()
        greedy = [record for record in records if record.mode == "greedy"]
        greedy[-1].correct = correct
        run.evals_path.write_text("".join(f"{record.model_dump_json()}\n" for record in records))

    first = next(record for record in run.evals() if record.mode == "greedy").correct
    set_last_greedy(first)
    assert "greedy answers" not in said(tmp_path)
    set_last_greedy(dict.fromkeys(first, 0))
    assert re.search(r"Its greedy answers fell: −\d+", said(tmp_path))


def test_a_control_that_gains_is_a_warning(tmp_path: Path) -> None:
    control = replace(SCRIPTS["functional_majority"], label="Chance", role=Role.CONTROL)
    write_study(tmp_path, {"c": control, "r": SCRIPTS["rlvr"]})
    assert "Chance gained too, though it knows nothing" in said(tmp_path)


def test_without_evaluations_the_training_pass_rate_speaks_and_is_named(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    write_run(run, SCRIPTS["self_certainty"], 40, 5, seed=0)
    run.evals_path.unlink()
    assert re.search(r"collapsed, by the pass rate in training: \d\d\.\d% → \d+\.\d%", said(tmp_path))
    assert build_report(tmp_path).is_file()


def test_without_any_truth_the_signals_speak_and_the_verdict_stays_open(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    run.create({})
    for record in step_records(SCRIPTS["self_certainty"], 40, np.random.default_rng(0)):
        run.append_step(record.model_copy(update={"pass_rate": float("nan")}))
    text = said(tmp_path)
    assert "undecided without tests, but alarming: completion length" in text
    assert "outside their healthy range: read its completions" in text
    assert build_report(tmp_path).is_file()


# What it reads


def test_one_run_is_a_report_too(tmp_path: Path) -> None:
    write_run(RunDir(tmp_path / "my run"), SCRIPTS["self_certainty"], 40, 5, seed=1)
    page = build_report(tmp_path / "my run").read_text()
    assert "my run: collapsed." in page
    assert "chart-transfer" not in page


def test_an_unfinished_run_is_marked(tmp_path: Path) -> None:
    study = write_study(tmp_path, {"a": SCRIPTS["rlvr"]}, steps=20)
    status = RunState(state="failed", step=20, total_steps=60, error="out of <memory>")
    study.run_dir("a").write_status(status)
    assert "failed, step 20 of 60: out of &lt;memory&gt;" in build_report(tmp_path).read_text()
    assert "failed, step 20 of 60" in markdown(tabular(load_study(tmp_path)))


def test_nothing_to_report_is_a_message(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="neither a run nor a study"):
        build_report(tmp_path)
    RunDir(tmp_path / "new").create({})
    with pytest.raises(UserError, match="Nothing has been recorded"):
        build_report(tmp_path / "new")


@pytest.mark.parametrize("name", list(SCRIPTS))
def test_the_role_follows_from_the_rewards(study_path: Path, name: str) -> None:
    assert role_of(StudyDir(study_path).run_dir(name).steps()) is SCRIPTS[name].role


# Tables and samples


def test_the_markdown_table_by_hand(study_path: Path) -> None:
    lines = markdown(tabular(load_study(study_path))).splitlines()
    assert lines[0].startswith("| Run | Sampled: start |")
    assert re.fullmatch(
        r"\| Self-certainty \| 40\.0% \(\d+–\d+\) \| 50\.4% \(\d+–\d+\) \| 7\.6% \(\d+–\d+\) \| .* "
        r"\| 10 \| 60 → 16 \| 55% → 4% \| collapsed \|",
        lines[3],
    )
    assert {line.count("|") for line in lines} == {12}


def test_a_label_is_never_taken_for_markup(tmp_path: Path) -> None:
    hostile = "[red]x[/red] | <b>y</b>"
    write_study(tmp_path, {"a": replace(SCRIPTS["rlvr"], label=hostile)}, steps=10)
    console = Console(width=120, record=True, file=(tmp_path / "out").open("w"))
    console.print(terminal_table(tmp_path))
    assert "[red]x[/red]" in console.export_text()
    assert "\\| <b>y" in markdown(tabular(load_study(tmp_path)))


def test_the_terminal_table_fits_eighty_columns(study_path: Path, tmp_path: Path) -> None:
    console = Console(width=80, record=True, file=(tmp_path / "out").open("w"))
    console.print(terminal_table(study_path))
    text = console.export_text()
    assert "…" not in text
    assert "40→50→8" in text
    assert "collapsed" in text


def test_samples_come_from_start_peak_and_end_and_the_collapsed_run_is_open(study_path: Path) -> None:
    found = samples(load_study(study_path).arms)
    assert [run.label for run in found if run.open] == ["Self-certainty"]
    moments = found[1].moments
    assert [(moment.name, moment.step) for moment in moments] == [
        ("Start", 1),
        ("Near the peak", 10),
        ("End", 40),
    ]
    best, typical = moments[0].samples
    assert best.reward is not None
    assert typical.reward is not None
    assert best.reward > typical.reward
    assert best.code.startswith("def f(x):")


def test_a_long_completion_is_shortened_and_a_torn_file_is_named(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    write_run(run, SCRIPTS["rlvr"], 8, 4, seed=0)
    rows = rollout_rows(SCRIPTS["rlvr"], 8, 1.0, np.random.default_rng(0))
    run.write_rollouts(8, [row | {"text": "a" * 100_000} for row in rows])
    end = samples(load_study(tmp_path).arms)[0].moments[-1]
    assert len(end.samples[0].before) < MAX_CHARACTERS + 60
    (run.rollouts_path / "step-000008.parquet").write_bytes(b"torn")
    with pytest.raises(UserError, match="step-000008"):
        samples(load_study(tmp_path).arms)


def test_the_command_prints_the_table_and_where_the_report_is(tmp_path: Path) -> None:
    write_study(tmp_path, {"a": SCRIPTS["rlvr"]}, steps=10)
    app = typer.Typer()
    app.command()(report)
    result = CliRunner().invoke(app, [str(tmp_path)])
    assert result.exit_code == 0
    assert "Tests (RLVR)" in result.output
    assert f"Report: {(tmp_path / 'report.html').resolve()}" in result.output


def test_every_verdict_has_a_sign_and_a_colour() -> None:
    assert set(SYMBOLS) == set(TERMINAL) == set(Verdict)
    assert len(set(SYMBOLS.values())) == len(SYMBOLS)
