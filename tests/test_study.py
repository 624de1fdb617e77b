"""Studies: reading them, and running their runs as processes that finish, fail, die or are stopped.

The processes are stand-ins that write records as training does, and behave as the run's name says.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from rlif.errors import UserError
from rlif.records import Role
from rlif.study.config import load_study
from rlif.study.expand import expand, study_info
from rlif.study.schema import merged

STUDY = """
name = "two"
description = "Two rewards."

[base]
model = "tiny"
grpo = {learning_rate = 1e-4, num_generations = 4}

[[runs]]
id = "rlvr"
label = "Tests"
role = "verifiable"
change.stages = [{steps = 3, reward = "unit_tests"}]

[[runs]]
id = "random"
label = "Random"
role = "control"
change = {stages = [{steps = 2, reward = "random"}], grpo = {learning_rate = 1e-3}}
"""


@pytest.fixture
def study_file(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "study.toml"
        path.write_text(text)
        return path

    return write


class TestMerged:
    def test_tables_are_merged_at_every_depth_and_anything_else_is_replaced(self):
        base = {"a": 1, "table": {"x": 1, "y": {"p": 1, "q": 2}}, "list": [1, 2]}
        change = {"table": {"y": {"q": 3}, "z": 4}, "list": [5], "b": 2}
        assert merged(base, change) == {
            "a": 1,
            "table": {"x": 1, "y": {"p": 1, "q": 3}, "z": 4},
            "list": [5],
            "b": 2,
        }

    def test_a_table_and_a_value_replace_each_other(self):
        assert merged({"reward": "random"}, {"reward": {"type": "random"}}) == {"reward": {"type": "random"}}
        assert merged({"reward": {"type": "random"}}, {"reward": "random"}) == {"reward": "random"}

    def test_neither_side_is_changed(self):
        base, change = {"table": {"x": 1}}, {"table": {"y": 2}}
        merged(base, change)
        assert (base, change) == ({"table": {"x": 1}}, {"table": {"y": 2}})


class TestLoadStudy:
    def test_a_run_is_the_base_with_its_changes_on_top(self, study_file):
        study = load_study(study_file(STUDY))
        rlvr, random = (run.config for run in expand(study))
        assert (rlvr.name, rlvr.model, rlvr.total_steps, rlvr.grpo.learning_rate) == ("rlvr", "tiny", 3, 1e-4)
        assert (random.name, random.grpo.learning_rate, random.grpo.num_generations) == ("random", 1e-3, 4)

    def test_what_study_json_says(self, study_file):
        study = load_study(study_file(STUDY))
        info = study_info(study, expand(study))
        assert (info.name, info.description) == ("two", "Two rewards.")
        assert [(run.id, run.label, run.role) for run in info.runs] == [
            ("rlvr", "Tests", Role.VERIFIABLE),
            ("random", "Random", Role.CONTROL),
        ]

    @pytest.mark.parametrize(
        ("old", "new", "expected"),
        [
            ('id = "random"', 'id = "rlvr"', "two runs with the id 'rlvr'"),
            ('id = "random"', 'id = "../x"', "runs.1.id: it names a directory"),
            ('id = "random"', 'id = ""', "runs.1.id: it names a directory"),
            ('id = "random"', "", "runs.1.id: is missing"),
            ('role = "control"', 'role = "controll"', "'control', 'transfer' or 'mixture' (got 'controll')"),
            ('label = "Random"', 'lable = "Random"', "runs.1: unknown key 'lable'. Did you mean 'label'?"),
            ("description", "descripton", "unknown key 'descripton'. Did you mean 'description'?"),
            ("change = {", "change = {seeds = 1, ", "run 'random' of study 'two' cannot be used:\n"
             "  the file: unknown key 'seeds'. Did you mean 'seed'?"),
            ('"unit_tests"', '"unit_test"', "run 'rlvr' of study 'two' cannot be used:\n"
             "  stages.0.reward: There is no reward 'unit_test'.\nDid you mean 'unit_tests'?"),
            ("num_generations = 4", "num_generations = 1", "grpo.num_generations: Input should be greater"),
            ("[base]", "[base", "is not valid TOML"),
        ],
    )  # fmt: skip
    def test_mistakes(self, study_file, old: str, new: str, expected: str):
        assert old in STUDY
        with pytest.raises(UserError) as caught:
            load_study(study_file(STUDY.replace(old, new)))
        assert expected in str(caught.value)

    def test_files_without_runs(self, study_file, tmp_path: Path):
        with pytest.raises(UserError, match="runs: is missing"):
            load_study(study_file('name = "empty"'))
        with pytest.raises(UserError, match="runs: needs at least one entry"):
            load_study(study_file('name = "empty"\nruns = []'))
        with pytest.raises(UserError, match="There is no file"):
            load_study(tmp_path / "no.toml")
