"""results.parquet: one row for each run, evaluation and mode."""

import math
from pathlib import Path
from typing import Literal

import polars as pl
import pytest

from rlif.conclusions.families import family_of, reward_text, rlif_steps, stage_steps
from rlif.conclusions.results import COLUMNS, export, results
from rlif.config import RunConfig
from rlif.errors import UserError
from rlif.records import EvalRecord, RunInfo, RunState, StepRecord, StopRecord, StudyDir, StudyInfo
from rlif.study.expand import expand, study_info
from rlif.study.schema import StudyConfig

MODES: tuple[tuple[Literal["sampled", "greedy"], int], ...] = ("sampled", 4), ("greedy", 1)

STUDY = StudyConfig.model_validate(
    {
        "name": "s",
        "seeds": [4],
        "base": {
            "problems": {"limit": 32},
            "grpo": {"temperature": 0.7},
            "stages": [{"name": "a", "steps": 2, "reward": "self_certainty"}],
        },
        "runs": [
            {"id": "certainty", "label": "", "role": "intrinsic"},
            {
                "id": "transfer",
                "label": "",
                "role": "transfer",
                "change": {
                    "stages": [
                        {"name": "a", "steps": 1, "reward": "self_certainty"},
                        {"name": "b", "steps": 1, "reward": "unit_tests"},
                    ]
                },
            },
        ],
    }
)


def evaluation(step: int, mode: Literal["sampled", "greedy"], samples: int) -> EvalRecord:
    return EvalRecord(
        step=step,
        stage="a",
        mode=mode,
        samples=samples,
        temperature=1,
        max_tokens=8,
        problems=2,
        pass_at_1=0.5,
        length_mean=30 - step,
        correct={"q": samples, "p": 0},
    )


@pytest.fixture
def place(tmp_path: Path) -> StudyDir:
    """Two runs; the second has only begun."""
    place, runs = StudyDir(tmp_path), expand(STUDY)
    place.create(study_info(STUDY, runs))
    for run, last in zip(runs, (2, 0), strict=True):
        directory = place.run_dir(run.id)
        directory.create(run.config.model_dump(mode="json"))
        for step in range(last + 1):
            if step:
                directory.append_step(StepRecord(step=step, stage="a", reward=10 + step, entropy=1 / step))
            for mode, samples in MODES:
                directory.append_eval(evaluation(step, mode, samples))
        state = "complete" if last else "running"
        directory.write_status(RunState(state=state, step=last, total_steps=2))
    return place


def test_a_row_for_each_run_evaluation_and_mode(place: StudyDir):
    table = results(place.path)
    assert dict(table.schema) == COLUMNS
    assert table.select("arm", "step", "mode").rows() == [
        *[("certainty", step, mode) for step in (0, 1, 2) for mode in ("greedy", "sampled")],
        *[("transfer", 0, mode) for mode in ("greedy", "sampled")],
    ]
    row = table.row(3, named=True)
    assert row["run"].startswith("certainty-s4-")
    expected = {
        "study": "s", "role": "intrinsic", "reward": "self_certainty", "family": "certainty", "variation": "",
        "seed": 4, "temperature": 0.7, "num_generations": 8, "train_size": 32, "rlif_steps": 0,
        "total_steps": 2, "stage": "a", "samples": 4, "problems": ["p", "q"], "correct": [0, 4],
        "pass_at_1": 0.5, "length_mean": 29, "complete": True, "reward_mean": 11, "entropy": 1,
    }  # fmt: skip
    assert {name: row[name] for name in expected} == expected
    assert math.isnan(row["collapse_step"])
    assert math.isnan(table.row(1, named=True)["entropy"])  # no training before the first evaluation


def test_an_unfinished_transfer(place: StudyDir):
    row = results(place.path).row(-1, named=True)
    expected = ("self_certainty>unit_tests", "", 1, False)
    assert (row["reward"], row["family"], row["rlif_steps"], row["complete"]) == expected


def test_both_files(place: StudyDir):
    parquet, csv = export(place.path)
    assert pl.read_parquet(parquet).equals(results(place.path))
    assert pl.read_csv(csv).columns == [name for name in COLUMNS if name not in ("problems", "correct")]


def test_nothing_to_export(tmp_path: Path):
    with pytest.raises(UserError, match=r"study\.json cannot be read"):
        results(tmp_path)
    StudyDir(tmp_path).create(study_info(STUDY, expand(STUDY)))
    with pytest.raises(UserError, match=r"No run in .* has been evaluated yet"):
        results(tmp_path)


@pytest.mark.parametrize(
    ("stages", "text", "family", "before"),
    [
        (["token_entropy"], "token_entropy", "certainty", 0),
        (["unit_tests"], "unit_tests", "verifiable", 0),
        ([["random", "length"]], "random+length", "control", 0),
        (["majority_vote", "unit_tests"], "majority_vote>unit_tests", "", 5),
        ([{"type": "mixture", "rewards": ["rlsc", "probability"]}], "mixture", "certainty", 0),
        ([["self_certainty", "unit_tests"]], "self_certainty+unit_tests", "", 0),
        (["cluster_certainty"], "cluster_certainty", "", 0),
    ],
)
def test_words_for_rewards(stages: list[object], text: str, family: str, before: int):
    config = RunConfig.model_validate({"stages": [{"steps": 5, "reward": reward} for reward in stages]})
    made = stage_steps(config, [])
    assert (reward_text(config), family_of(config), rlif_steps(config, made)) == (text, family, before)


def stop(step: int, action: str) -> StopRecord:
    return StopRecord.model_validate(
        {"step": step, "stage": "a", "rule": "", "reason": "", "action": action, "best": 0, "policy": 0}
    )


@pytest.mark.parametrize(
    ("stops", "made"),
    [
        ([], [60, 20, 30]),
        ([(23, "warn")], [60, 20, 30]),
        ([(23, "stop")], [23, 20, 30]),
        ([(23, "rollback")], [23, 20, 30]),  # the steps were made, and then thrown away
        ([(60, "stop")], [60, 20, 30]),  # at its last step anyway
        ([(61, "stop")], [60, 1, 30]),
        ([(23, "stop"), (30, "warn"), (33, "rollback"), (40, "stop")], [23, 10, 7]),
    ],
)
def test_steps_of_a_stage_are_those_made_until_a_rule_ended_it(stops: list[tuple[int, str]], made: list[int]):
    stages = [("self_certainty", 60), ("length", 20), ("unit_tests", 30)]
    config = RunConfig.model_validate({"stages": [{"reward": r, "steps": n} for r, n in stages]})
    found = stage_steps(config, [stop(*one) for one in stops])
    assert found == made
    assert rlif_steps(config, found) == made[0] + made[1]


def test_the_table_counts_the_steps_that_were_made(tmp_path: Path):
    stages = [{"steps": 6, "reward": "self_certainty"}, {"steps": 3, "reward": "unit_tests"}]
    info = StudyInfo(name="s", runs=[RunInfo(id="stopped")])
    StudyDir(tmp_path).create(info)
    run = StudyDir(tmp_path).run_dir("stopped")
    run.create(RunConfig.model_validate({"stages": stages}).model_dump(mode="json"))
    run.append_eval(evaluation(5, "sampled", 4))
    run.append_stop(stop(2, "stop"))
    run.write_status(RunState(state="complete", step=5, total_steps=5))
    assert results(tmp_path).select("rlif_steps", "total_steps").row(0) == (2, 5)
