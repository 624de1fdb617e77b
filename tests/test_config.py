"""Run files: what is read from them, what overrides do, and what a user is told about a mistake."""

import datetime as dt
import json
from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import Any

import pytest

import rlif
from rlif.config import (
    GRPOTable,
    RunConfig,
    StageConfig,
    StoppingTable,
    load_run_config,
    read_table,
    validated,
    with_overrides,
)
from rlif.diagnostics.stopping import Action, HealthyRange, MaxReward
from rlif.errors import UserError
from rlif.records import RunDir
from rlif.rewards import Random, SelfCertainty, UnitTests
from rlif.study.config import load_study

ROOT = Path(__file__).parents[1]
SHIPPED = sorted(
    [*(Path(rlif.__file__).parent / "assets").glob("*.toml"), *(ROOT / "configs").glob("*.toml")]
)

MINIMAL = """
[[stages]]
steps = 5
reward = "self_certainty"
"""


@pytest.fixture
def run_file(tmp_path: Path):
    """Write a run file; returns its path."""

    def write(text: str, name: str = "run.toml") -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def complaint(path: Path, *overrides: str) -> str:
    with pytest.raises(UserError) as caught:
        load_run_config(path, overrides)
    return str(caught.value)


class TestReading:
    def test_a_stage_is_enough_and_everything_else_has_a_default(self, run_file):
        config = load_run_config(run_file(MINIMAL))
        assert config.stages == (StageConfig(steps=5, reward=(SelfCertainty(),)),)
        assert (config.model, config.problems.split, config.grpo) == ("minicode-base", "train", GRPOTable())
        assert config.total_steps == 5

    def test_the_three_ways_to_write_a_reward(self, run_file):
        config = load_run_config(
            run_file("""
                [[stages]]
                steps = 1
                reward = "random"
                [[stages]]
                steps = 2
                reward = {type = "random", p = 0.25}
                [[stages]]
                name = "mixed"
                steps = 3
                reward = ["unit_tests", {type = "self_certainty", weight = 0.1}]
            """)
        )
        assert [stage.reward for stage in config.stages] == [
            (Random(),),
            (Random(p=0.25),),
            (UnitTests(), SelfCertainty(weight=0.1)),
        ]
        assert [stage.label for stage in config.stages] == ["random", "random", "mixed"]
        assert config.stages[2].model_copy(update={"name": ""}).label == "unit_tests+self_certainty"
        assert config.total_steps == 6

    def test_a_stage_changes_only_the_settings_it_names(self, run_file):
        config = load_run_config(
            run_file("""
                grpo = {learning_rate = 1e-4, num_generations = 4}
                [[stages]]
                steps = 1
                reward = "random"
                grpo = {learning_rate = 2e-5}
                [[stages]]
                steps = 1
                reward = "random"
            """)
        )
        assert config.stage_grpo(0) == GRPOTable(learning_rate=2e-5, num_generations=4)
        assert config.stage_grpo(1) == config.grpo

    def test_a_stage_can_return_to_a_default_that_the_run_changed(self, run_file):
        config = load_run_config(
            run_file('grpo.beta = 0.1\n[[stages]]\nsteps = 1\nreward = "random"\ngrpo.beta = 0.0')
        )
        assert config.stage_grpo(0).beta == 0.0

    def test_dates_may_be_written_as_dates_or_as_text(self, run_file):
        config = load_run_config(
            run_file('problems = {start = 2024-02-01, end = "2024-03-01"}' + MINIMAL), ["seed=1"]
        )
        assert (config.problems.start, config.problems.end) == (dt.date(2024, 2, 1), dt.date(2024, 3, 1))

    @pytest.mark.parametrize("table", ["", "[evaluation.problems]\nlimit = 32", "[evaluation]\nevery = 3"])
    def test_evaluation_stays_on_held_out_problems_when_only_other_things_are_set(self, run_file, table: str):
        assert load_run_config(run_file(table + MINIMAL)).evaluation.problems.split == "validation"

    def test_a_data_set_without_splits_gets_none(self, run_file):
        text = 'evaluation.problems = {name = "humaneval"}' + MINIMAL
        assert load_run_config(run_file(text)).evaluation.problems.split is None


class TestMistakes:
    """Every message names the place, the value and what would do."""

    @pytest.mark.parametrize(
        ("text", "place", "suggestion"),
        [
            ("grop.beta = 1", "the file: unknown key 'grop'.", "'grpo'"),
            ("grpo.learning_rat = 1e-4", "grpo: unknown key 'learning_rat'.", "'learning_rate'"),
            ("problems.splitt = 'test'", "problems: unknown key 'splitt'.", "'split'"),
            ("evaluation.problems.limt = 3", "evaluation.problems: unknown key 'limt'.", "'limit'"),
            ("sandbox.second = 3", "sandbox: unknown key 'second'.", "'seconds'"),
        ],
    )
    def test_unknown_keys_at_any_depth(self, run_file, text: str, place: str, suggestion: str):
        message = complaint(run_file(text + MINIMAL))
        assert f"{place} Did you mean {suggestion}?" in message

    def test_unknown_keys_in_a_stage_and_in_its_tables(self, run_file):
        message = complaint(run_file(MINIMAL + "stepz = 3"))
        assert "stages.0: unknown key 'stepz'. Did you mean 'steps'?" in message
        message = complaint(run_file(MINIMAL + "grpo.epsilom = 3"))
        assert "stages.0.grpo: unknown key 'epsilom'. Did you mean 'epsilon'?" in message

    def test_an_unknown_key_like_no_other_lists_what_there_is(self, run_file):
        message = complaint(run_file("sandbox.xyzzy = 3" + MINIMAL))
        assert "unknown key 'xyzzy'. Known: isolation, memory_mb, seconds, workers." in message

    @pytest.mark.parametrize(
        ("reward", "expected"),
        [
            ('"self_certanty"', ["no reward 'self_certanty'", "Did you mean 'self_certainty'?"]),
            ('["unit_tests", "randm"]', ["no reward 'randm'", "Did you mean 'random'?"]),
            ("{p = 0.5}", ["needs a type", "random"]),
            ('{type = "random", q = 0.5}', ["Reward 'random' has no option 'q'", "p"]),
            ('{type = "random", p = 1.5}', ["p = 1.5", "less than or equal to 1"]),
            ("7", ["should be a table (got 7)"]),
            ("[]", ["needs at least one entry"]),
        ],
    )
    def test_rewards(self, run_file, reward: str, expected: list[str]):
        message = complaint(run_file(f"[[stages]]\nsteps = 5\nreward = {reward}"))
        assert "stages.0.reward" in message
        for part in expected:
            assert part in message

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("grpo.num_generations = 1", "generations: Input should be greater than or equal to 2 (got 1)"),
            ("grpo.prompts_per_step = 0", "per_step: Input should be greater than or equal to 1 (got 0)"),
            (
                "grpo = {prompts_per_step = 3, num_generations = 4, per_device_train_batch_size = 8}",
                "grpo.per_device_train_batch_size = 8 does not divide the step's 3 prompts x 4 completions",
            ),
            ("grpo.learning_rate = -1e-4", "learning_rate: Input should be greater than 0 (got -0.0001)"),
            ("grpo.learning_rate = inf", "learning_rate: Input should be a finite number (got inf)"),
            ("grpo.learning_rate = nan", "learning_rate: Input should be a finite number (got nan)"),
            ("grpo.learning_rate = 'fast'", "grpo.learning_rate: Input should be a valid number"),
            ("grpo.scale_rewards = 'std'", "Input should be 'group', 'batch' or 'none' (got 'std')"),
            ("grpo.temperature = 0", "grpo.temperature: Input should be greater than 0 (got 0)"),
            ("grpo = 3", "grpo: should be a table (got 3)"),
            ("dtype = 'float8'", "dtype: Input should be 'float32', 'bfloat16' or 'float16' (got 'float8')"),
            ("prompt = 'rlf'", "prompt: Input should be 'bare', 'rlif', "),
            ("seed = 'zero'", "seed: Input should be a valid integer"),
            ("report_to = 'wandb'", "report_to: should be a list (got 'wandb')"),
            ("problems.start = 'yesterday'", "problems.start: Input should be a valid date"),
            ("problems.limit = 0", "problems.limit: Input should be greater than or equal to 1 (got 0)"),
            ("truth = 3.7", "truth: Input should be a valid boolean"),
            ("name = 7", "name: Input should be a valid string (got 7)"),
        ],
    )  # fmt: skip
    def test_values(self, run_file, text: str, expected: str):
        assert expected in complaint(run_file(text + MINIMAL))

    def test_a_batch_that_only_a_stage_makes_impossible(self, run_file):
        text = "grpo.per_device_train_batch_size = 16" + MINIMAL + "grpo.prompts_per_step = 3"
        assert "16 does not divide the step's 3 prompts x 8 completions" in complaint(run_file(text))

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("", "stages: is missing"),
            ("stages = []", "stages: needs at least one entry"),
            ("[stages]\nsteps = 5\nreward = 'random'", "should be a list: write [[stages]], not [stages]"),
            ("[[stages]]\nreward = 'random'", "stages.0.steps: is missing"),
            ("[[stages]]\nsteps = 0\nreward = 'random'", "steps: Input should be greater than or equal to 1"),
            ("[[stages]]\nsteps = 2.5\nreward = 'random'", "stages.0.steps: Input should be a valid integer"),
        ],
    )  # fmt: skip
    def test_stages(self, run_file, text: str, expected: str):
        message = complaint(run_file(text))
        assert expected in message
        assert len(message.splitlines()) == 2  # and nothing that follows from the same mistake

    def test_all_mistakes_are_listed_at_once(self, run_file):
        path = run_file("seed = 'x'\ngrpo.beta = -1\n" + MINIMAL)
        heading, *mistakes = complaint(path).splitlines()
        assert heading == f"{path} cannot be used:"
        assert [line.split(":")[0].strip() for line in mistakes] == ["seed", "grpo.beta"]

    def test_files_that_cannot_be_read(self, tmp_path: Path, run_file):
        missing = tmp_path / "no.toml"
        assert f"There is no file {missing}." in complaint(missing)
        assert "Give the path of a run file" in complaint(missing)
        assert f"{tmp_path} cannot be read: Is a directory." in complaint(tmp_path)
        assert "is not valid TOML" in complaint(run_file("steps == 3"))
        assert "(at line 1, column 8)" in complaint(run_file("steps == 3"))
        assert "is not valid JSON" in complaint(run_file("{'steps': 3}", "run.json"))
        assert "holds list, not a JSON object" in complaint(run_file("[1, 2]", "run.json"), "seed=1")
        binary = tmp_path / "binary.toml"
        binary.write_bytes(b"\xff\xfe\x00")
        assert "is not valid TOML" in complaint(binary)


class TestOverrides:
    @pytest.mark.parametrize(
        ("override", "read"),
        [
            ("grpo.learning_rate=1e-4", lambda c: c.grpo.learning_rate == 1e-4),
            ("stages.0.steps=7", lambda c: c.stages[0].steps == 7),
            ("stages.0.reward=unit_tests", lambda c: c.stages[0].reward == (UnitTests(),)),
            ("stages.0.reward={type = 'random', p = 0.1}", lambda c: c.stages[0].reward == (Random(p=0.1),)),
            ("stages.0.grpo.beta=0.1", lambda c: c.stage_grpo(0).beta == 0.1),
            ("evaluation.problems.limit=3", lambda c: c.evaluation.problems.limit == 3),
            ("name=a run = with text", lambda c: c.name == "a run = with text"),
            ("name='1'", lambda c: c.name == "1"),
            ("model=./models/my model", lambda c: c.model == "./models/my model"),
            ("truth=false", lambda c: c.truth is False),
            ("problems.start=2024-01-31", lambda c: c.problems.start == dt.date(2024, 1, 31)),
            ('report_to=["wandb"]', lambda c: c.report_to == ("wandb",)),
        ],
    )
    def test_a_value_is_toml_or_else_text(self, run_file, override: str, read: Any):
        path = run_file(MINIMAL)
        assert not read(load_run_config(path))
        assert read(load_run_config(path, [override]))

    def test_the_last_one_wins(self, run_file):
        assert load_run_config(run_file(MINIMAL), ["seed=1", "seed=2"]).seed == 2

    def test_what_the_file_says_beside_it_stays(self, run_file):
        path = run_file("grpo = {beta = 0.5, epsilon = 0.3}" + MINIMAL)
        assert load_run_config(path, ["grpo.beta=0"]).grpo == GRPOTable(beta=0, epsilon=0.3)

    @pytest.mark.parametrize(
        ("override", "expected"),
        [
            ("grpo.beta", "'grpo.beta' is not of the form key=value.\nExample: grpo.beta=0.01"),
            ("=3", "'=3' is not of the form key=value"),
            ("grpo.betta=3", "unknown key 'betta'. Did you mean 'beta'?"),
            ("grpo..beta=3", "unknown key ''"),
            ("stages.1.steps=3", "names entry '1' of a list of 1.\nThe first entry is 0."),
            ("stages.-1.steps=3", "names entry '-1' of a list of 1"),
            ("stages.first.steps=3", "names entry 'first' of a list of 1"),
            ("stages.1={}", "names entry '1' of a list of 1"),
            ("stages.0.steps.x=3", "goes below 'steps', which is a value, not a table"),
            ("stages.0.reward.0.weight=3", "goes below '0', which is a value, not a table"),
            ("stages.0.steps=", "stages.0.steps: Input should be a valid integer"),
            ("stages=3", "stages: should be a list (got 3)"),
        ],
    )
    def test_bad_paths_and_values(self, run_file, override: str, expected: str):
        assert expected in complaint(run_file(MINIMAL.replace('"self_certainty"', '["random"]')), override)

    @pytest.mark.parametrize(
        "path",
        [*("name", "grpo", "grpo.extra", "problems"), *("stages", "stages.0", "stages.0.reward"),
         *("stages.0.reward.0", "stages.0.reward.1", "stages.0.grpo", "stages.1")],
    )  # fmt: skip
    def test_any_override_either_works_or_is_explained(self, path: str):
        table = {"stages": [{"steps": 5, "reward": ["random", {"type": "random"}]}]}
        ends = ("", ".", ".0", ".1", ".p", ".type", ".0.p", ".steps")
        for end, value in product(ends, ("1", "random", "[]", "[1]", "{}", "{p = 1}", "2024-01-01", "")):
            with suppress(UserError):
                validated(RunConfig, with_overrides(table, [f"{path}{end}={value}"]), "run.toml")


class TestStopping:
    TWO_STAGES = """
        [stopping]
        action = "stop"
        [[stages]]
        steps = 20
        reward = "self_certainty"
        [[stages]]
        steps = 20
        reward = "unit_tests"
    """

    def test_it_watches_all_stages_but_those_on_tests_alone(self, run_file):
        config = load_run_config(run_file(self.TWO_STAGES))
        assert config.stage_stopping(0) == StoppingTable(rule=HealthyRange(), action=Action.STOP)
        assert config.stage_stopping(1) is None
        mixed = load_run_config(run_file(self.TWO_STAGES), ['stages.1.reward=["unit_tests", "length"]'])
        assert mixed.stage_stopping(1) == mixed.stopping

    def test_a_stage_s_own_goes_before_it_also_on_tests(self, run_file):
        own = 'stages.1.stopping={rule = {type = "max_reward", window = 3}, action = "warn"}'
        config = load_run_config(run_file(self.TWO_STAGES), [own])
        assert config.stage_stopping(1) == StoppingTable(rule=MaxReward(window=3), action=Action.WARN)

    def test_without_it_nothing_is_watched(self, run_file):
        assert load_run_config(run_file(MINIMAL)).stage_stopping(0) is None

    @pytest.mark.parametrize(
        ("override", "told"),
        [
            ("stopping.rule=healty_range", "stopping.rule: there is no rule 'healty_range'. Did you mean"),
            ("stopping.action=halt", "stopping.action: Input should be 'warn', 'stop' or 'rollback'"),
            ("stopping.rule.type=decline stages.0.steps=9", "has to see 10 steps before it can say stop"),
            (
                "stopping.rule={type='fixed_step',steps=21}",
                "'fixed_step' has to see 21 steps before it can say stop",
            ),
            ("stopping.rule={type='decline',window=9}", "fewest = 10 steps do not fit into a window of 9"),
            ("stopping.action=rollback checkpoint_every=20", "makes none within the 20 steps of stage"),
            ("stopping={rule='decline'}", "stopping.action: is missing"),
        ],
    )
    def test_what_cannot_be_is_refused(self, run_file, override: str, told: str):
        assert told in complaint(run_file(self.TWO_STAGES), *override.split())


class TestResolvedConfig:
    """config.json of a run directory is itself a run file: `rlif train RUN/config.json` runs it again."""

    @pytest.mark.parametrize(
        "text",
        [
            MINIMAL,
            MINIMAL + "grpo = {learning_rate = 2e-5, num_generations = 4}",
            "grpo.beta = 0.1" + MINIMAL + "grpo.beta = 0.0",
            'stopping.action = "warn"' + MINIMAL.replace("5", "50"),
            "problems = {start = 2024-02-01}\ngrpo.extra = {top_k = 5}" + MINIMAL,
            'report_to = ["wandb"]\n[[stages]]\nsteps=3\nreward = ["unit_tests", {type = "random", p=1}]',
        ],
    )
    def test_it_loads_to_an_equal_config(self, tmp_path: Path, run_file, text: str):
        config = load_run_config(run_file(text))
        run = RunDir(tmp_path / "run")
        run.create(config.model_dump(mode="json"))
        again = load_run_config(run.config_path)
        assert again == config
        assert [again.stage_grpo(i) for i in range(len(again.stages))] == [
            config.stage_grpo(i) for i in range(len(config.stages))
        ]
        run.create(again.model_dump(mode="json"))  # the same configuration, so the same run

    def test_every_default_is_written_out(self, run_file):
        dumped = load_run_config(run_file(MINIMAL)).model_dump(mode="json")
        assert set(dumped) == set(RunConfig.model_fields)
        assert set(dumped["grpo"]) == set(GRPOTable.model_fields)

    def test_of_a_stage_only_what_it_sets(self, run_file):
        dumped = load_run_config(run_file(MINIMAL + "grpo.beta = 0.1")).model_dump(mode="json")
        assert json.loads(json.dumps(dumped))["stages"][0]["grpo"] == {"beta": 0.1}

    def test_an_override_reaches_it_as_well(self, tmp_path: Path, run_file):
        run = RunDir(tmp_path / "run")
        run.create(load_run_config(run_file(MINIMAL)).model_dump(mode="json"))
        config = load_run_config(run.config_path, ["grpo.beta=0.1", "stages.0.grpo.epsilon=0.3"])
        assert config.stage_grpo(0) == GRPOTable(beta=0.1, epsilon=0.3)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_every_shipped_configuration_loads(path: Path):
    if "runs" in read_table(path):
        assert load_study(path).runs
    else:
        assert load_run_config(path).stages
