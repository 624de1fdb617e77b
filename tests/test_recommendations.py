"""Recommendations on made-up studies: what is there is found, what is not there is not said."""

import json
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from recommendation_tables import Arm, control, rlvr, table
from typer.testing import CliRunner

from rlif.conclusions.recommendations import QUESTIONS, Recommendation, markdown, recommend, write
from rlif.errors import UserError

DOCS = Path(__file__).parents[1] / "docs"

RISES, RISES_LESS, FALLS = (0.5, 0.6, 0.68, 0.75), (0.5, 0.55, 0.58, 0.6), (0.5, 0.55, 0.35, 0.25)
GOOD, FAIR, BAD, IDLE = Arm("good", RISES), Arm("fair", RISES_LESS), Arm("bad", FALLS), Arm("idle")


def asked(id: str, *arms: Arm) -> list[Recommendation]:
    return recommend(table(*arms), [question for question in QUESTIONS if question.id == id])


def only(id: str, *arms: Arm) -> Recommendation:
    (found,) = asked(id, *arms)
    return found


def test_the_best_reward_is_found_with_its_size():
    found = only("reward", FAIR, GOOD, BAD, IDLE, control())
    assert found.decided
    assert found.advice.startswith("Train on good. At step 30 good had gained +")
    assert found.low < 25 < found.high
    assert found.level == pytest.approx(1 - 0.05 / 4)  # one of four was picked
    assert (found.n_runs, found.n_problems, found.against) == (10, 64, "random reward")


def test_equals_are_named_together():
    found = only("reward", GOOD, replace(GOOD, name="like good"), FAIR, control())
    assert "these runs cannot tell them apart" in found.advice
    assert "like good" in found.advice
    assert "fair" not in found.advice
    assert found.n_runs == 15


def test_losing_less_than_the_control_is_no_reason_to_train():
    found = only("reward", IDLE, control(0.5, 0.4, 0.35, 0.3))
    assert not found.decided
    assert found.low > 0  # it is above the control, but not above the start


def test_a_gain_that_the_control_has_too_is_not_the_rewards():
    assert not only("reward", GOOD, control(*RISES)).decided


def test_what_harms_is_named_the_worst_first():
    worse = Arm("worse", (0.5, 0.3, 0.2, 0.1))
    first, second = asked("avoid", BAD, GOOD, worse, control())
    assert first.id == "avoid/worse"
    assert second.advice.startswith("Do not train on bad for 30 steps: it then stood -2")
    assert second.low < -25 < second.high


def test_without_a_decision_it_is_said_what_would_decide():
    wild = replace(FAIR, spread=0.15)
    found = only("reward", wild, control(spread=0.15))
    assert found.advice == ""
    assert found.needed.startswith("These runs would have shown an effect of ")
    assert "5 points take about " in found.needed
    single = only("reward", replace(GOOD, seeds=1), control())
    assert single.needed == "Two seeds or more are needed for any interval."
    assert math.isnan(single.low)


def test_how_long():
    found = {r.id: r for r in asked("duration", GOOD, BAD, IDLE, Arm("never", (0.5, 0.4, 0.3, 0.2)))}
    assert list(found) == ["duration/bad", "duration/never", "duration/good"]  # idle: nothing to say
    assert found["duration/bad"].advice.startswith("Stop bad by step 10. From there to step 30 it lost +3")
    assert found["duration/bad"].low < 30 < found["duration/bad"].high
    assert found["duration/never"].advice.startswith("Do not train on never: the start was its best.")
    assert found["duration/good"].advice.startswith("Train on good for 30 steps rather than 10: ")


def ladder(name: str, slope: float, **more: str) -> list[Arm]:
    """Three temperatures; each doubling adds `slope` to the gain."""
    return [
        Arm(
            name,
            (0.5, 0.5, 0.5, 0.5 + slope * power),
            seeds=3,
            settings={"temperature": 2.0**power, "variation": f"temperature={2**power}" if power else ""},
            **more,
        )
        for power in (-1, 0, 1)
    ]


def test_a_trend_along_an_axis():
    found = only("settings", *ladder("sc", -0.1))
    assert found.id == "settings/temperature/sc"
    assert found.advice.startswith("Set temperature of sc lower (0.5 of 0.5, 1 or 2): each doubling changed")
    assert found.low < -10 < found.high
    assert (found.n_runs, found.unit) == (9, "points of pass@1 for each doubling")
    assert "No random runs vary with it" in found.caveat
    cold = {"temperature": 0.1, "variation": "temperature=0.1"}
    with_one_more = only("settings", *ladder("sc", -0.1), Arm("sc", seeds=1, settings=cold))
    assert with_one_more.n_runs == 9  # a level of one run is no level


def test_what_the_control_does_along_an_axis_is_taken_off():
    random = ladder("random", -0.1, role="control", family="control")
    found = only("settings", *ladder("sc", -0.1), *random)
    assert not found.decided
    assert found.needed.startswith("Doubling the temperature of sc: These runs would have shown")
    assert abs(found.effect) < 5
    assert found.n_runs == 18


def test_the_part_of_the_tests_gain():
    half = Arm("half", (0.5, 0.52, 0.55, 0.6))
    found = only("without_tests", half, IDLE, rlvr(0.5, 0.6, 0.65, 0.7))
    assert found.advice.startswith("Without tests, count on ")
    assert found.low < 50 < found.high
    assert found.unit == "percent"
    nothing = only("without_tests", half, rlvr(0.5, 0.5, 0.5, 0.5))
    assert nothing.needed.startswith("The gain with tests is not shown. ")


def transfer(*accuracy: float) -> Arm:
    return Arm("first", accuracy, "transfer", "", "self_certainty>unit_tests", settings={"rlif_steps": 10})


@pytest.mark.parametrize(
    ("end", "advice"),
    [
        (0.85, "Begin without tests (first, k = 10, equal"),
        (0.6, "Train on tests from the start: in none of 2"),
    ],
)
def test_whether_to_begin_without_tests(end: float, advice: str):
    scratch = rlvr(0.5, 0.6, 0.65, 0.7, spread=0.0)
    assert only("begin", transfer(0.5, 0.5, end - 0.05, end), scratch).advice.startswith(advice)


def test_whether_to_stop_at_an_alarm():
    shrinks = replace(BAD, stop=10.0)  # too late for a part of what was lost
    found = only("stop", shrinks, rlvr(0.5, 0.6, 0.65, 0.7))
    assert found.advice.startswith("Stop when the shipped rule")
    assert 0 < found.low < found.effect < found.high
    silent = only("stop", BAD, rlvr(0.5, 0.6, 0.65, 0.7))
    assert silent.advice.startswith("Expect little of stopping when the shipped rule")


def test_the_signal_that_goes_with_gains():
    arms = [
        Arm(f"a{i}", (0.5, 0.5, 0.5, 0.3 + 0.04 * i), signals={"entropy": 0.6 - 0.04 * i}) for i in range(11)
    ]
    found = only("signals", *arms)
    assert found.id == "signals/entropy"
    assert "a rise went with a loss" in found.advice
    assert -1 <= found.effect < -0.9
    assert only("signals", *arms[:7]).needed == (
        "A correlation over rewards needs 8 arms of two seeds or more; there are 7."
    )


def test_missing_arms_leave_a_question_out_and_say_why():
    needed = {r.id: r.needed for r in recommend(table(control()))}
    assert list(needed) == [question.id for question in QUESTIONS]
    assert all(needed[id].startswith("There is no complete run of ") for id in ("reward", "stop", "begin"))
    assert needed["settings"].startswith("No reward has two complete runs or more at two levels of")
    assert needed["signals"] == "A correlation over rewards needs 8 arms of two seeds or more; there are 1."
    assert only("reward", GOOD).needed == "There is no complete run of a control reward."


def test_the_order_of_rows_does_not_matter():
    frame = table(GOOD, replace(GOOD, name="twin"), BAD, control(), rlvr(0.5, 0.6, 0.65, 0.7))
    shuffled = frame.sample(fraction=1, shuffle=True, seed=3)
    assert write_text(recommend(shuffled)) == write_text(recommend(frame))


def test_single_runs_are_no_witnesses_of_a_signal():
    singles = [Arm(f"a{i}", seeds=1, signals={"entropy": 0.1 * i}) for i in range(20)]
    assert only("signals", *singles).needed.endswith("there are 0.")


def test_a_table_without_the_columns_is_refused():
    with pytest.raises(UserError, match="lack the columns: run"):
        recommend(table(GOOD, control()).drop("run"))


def test_the_docs_show_what_the_shipped_results_say():
    """If this fails, docs/recommendations.md says how to print the section anew."""
    prose = markdown(recommend(pl.read_parquet(DOCS / "data" / "every-reward.parquet")))
    quoted = "\n".join(f"> {line}".rstrip() for line in prose.strip().splitlines())
    assert quoted in (DOCS / "recommendations.md").read_text()


def test_a_question_of_ones_own():
    """The example of docs/recommendations.md, as it stands there."""
    code = re.search(r"```python\n(.*?)```", (DOCS / "recommendations.md").read_text(), re.DOTALL)
    assert code
    names: dict[str, Any] = {"__name__": "example"}
    exec(code[1], names)
    fallen = replace(BAD, name="self_certainty")
    (found,) = recommend(table(fallen, rlvr(*RISES)), [names["tests_win"]])
    assert (found.id, found.advice, found.n_runs) == ("U1", "Write tests.", 10)
    assert found.low < 50 < found.high
    (missing,) = recommend(table(fallen), [names["tests_win"]])
    assert missing.needed.startswith("There is no complete run of 'rlvr'.")


def write_text(found: list[Recommendation]) -> str:
    return "\n".join(r.model_dump_json() for r in found)


HOSTILE = "a](http://x)<script>\n# *b* `c` | \x1b[31m\u202e_d_"


def test_names_cannot_break_out_of_their_sentence():
    found = recommend(table(replace(GOOD, name=HOSTILE), control()))
    assert all(r.advice.isprintable() and r.caveat.isprintable() and r.id.isprintable() for r in found)
    prose = markdown(found)
    assert "a\\](http://x)&lt;script&gt; # \\*b\\* \\`c\\` \\|  [31m \\_d\\_" in prose
    assert "<script>" not in prose
    assert "\n# *b*" not in prose
    assert "\x1b" not in prose


def test_prose_has_advice_first_and_the_open_questions_last():
    prose = markdown(recommend(table(GOOD, FAIR, control())))
    lines = prose.splitlines()
    assert lines[:3] == ["# Recommendations", "", "## Which intrinsic reward to train on?"]
    assert lines[4].startswith("- **Train on good. At step 30 good had gained +")
    assert lines[4].endswith("** 10 runs, 64 problems; against: random reward.")
    assert prose.index("Not decided by these runs") < prose.index("Which intrinsic reward not to train on?")
    assert "nan" not in prose
    assert "These runs decide none of the questions asked." in markdown(asked("reward", IDLE, control()))


def test_files(tmp_path: Path):
    found = recommend(table(GOOD, control()))
    data, prose = write(tmp_path, found)
    rows = json.loads(data.read_text(), parse_constant=lambda name: pytest.fail(name))
    assert Recommendation.model_validate(rows[0]) == found[0]
    first, settings = rows[0], next(row for row in rows if row["id"] == "settings")
    assert (first["id"], first["decided"], first["n_runs"]) == ("reward", True, 10)
    assert settings["effect"] is None
    assert prose.read_text() == markdown(found)


def test_the_command_writes_and_shows_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import typer

    from rlif.cli.study_recommend import recommend as command

    monkeypatch.setattr("rlif.conclusions.results.results", lambda directory: table(GOOD, control()))
    app = typer.Typer()
    app.command()(command)
    shown = CliRunner().invoke(app, [str(tmp_path)], env={"COLUMNS": "300"})
    assert shown.exit_code == 0
    assert "Train on good. At step 30" in shown.stdout
    assert (tmp_path / "recommendations.json").exists()
    assert str(tmp_path / "recommendations.md") in shown.stdout


@pytest.mark.slow
def test_where_nothing_happens_hardly_anything_is_advised():
    """Of 200 studies without any effect, at most 5% (plus two standard errors) may advise anything.

    "Expect little of stopping" is left out: it is true here.
    """
    rng = np.random.default_rng(0)
    wrong = 0
    for seed in range(200):
        arms = [Arm(name, signals={"entropy": rng.normal(), "no_code": rng.uniform()}) for name in "abcdef"]
        frame = table(*arms, *ladder("g", 0.0), control(), rlvr(0.5, 0.5, 0.5, 0.5), seed=seed)
        wrong += any(r.decided and r.id != "stop" for r in recommend(frame))
    assert wrong <= 200 * 0.05 + 2 * math.sqrt(200 * 0.05 * 0.95)
