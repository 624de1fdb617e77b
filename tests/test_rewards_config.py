"""Rewards as configuration, in the documentation and on the command line."""

import json
from pathlib import Path

import pytest
import typer
from pydantic import BaseModel, ValidationError
from typer.testing import CliRunner

from rlif.cli.rewards import rewards as rewards_command
from rlif.config import StageConfig
from rlif.errors import UserError
from rlif.rewards import (
    ALL_REWARDS,
    LEAVES,
    AnyReward,
    Combination,
    Mixture,
    Need,
    Random,
    SelfCertainty,
    UnitTests,
    parse_reward,
)

DOCS = Path(__file__).parent.parent / "docs" / "rewards.md"


class Stage(BaseModel):
    rewards: list[AnyReward]


def test_a_configuration_field_accepts_every_reward():
    stage = Stage.model_validate({"rewards": [{"type": name} for name in LEAVES]})
    assert [type(reward) for reward in stage.rewards] == list(LEAVES.values())
    mixture = {"type": "mixture", "rewards": ["length", {"type": "random", "p": 0.1}]}
    assert Stage.model_validate({"rewards": [mixture]}).rewards == [parse_reward(mixture)]


def test_a_run_files_reward_may_be_a_type_a_table_a_list_or_a_mixture():
    def rewards(value: object) -> tuple[object, ...]:
        return StageConfig.model_validate({"steps": 1, "reward": value}).reward

    table = {"type": "random", "p": 0.5}
    assert rewards("self_certainty") == (SelfCertainty(),)
    assert rewards(table) == (Random(p=0.5),)
    assert rewards(["self_certainty", table]) == (SelfCertainty(), Random(p=0.5))
    mixture = {"type": "mixture", "rewards": ["self_certainty", {**table, "weight": 2}]}
    assert rewards(mixture) == (Mixture(rewards=(SelfCertainty(), Random(p=0.5, weight=2))),)
    stage = StageConfig.model_validate({"steps": 1, "reward": mixture})
    assert StageConfig.model_validate_json(stage.model_dump_json()) == stage
    with pytest.raises(ValidationError, match="Did you mean 'self_certainty'"):
        rewards({"type": "mixture", "rewards": ["self_certanty", table]})


@pytest.mark.parametrize("name", LEAVES)
def test_rewards_survive_a_round_trip_through_json(name):
    reward = parse_reward({"type": name, "weight": 0.25})
    assert parse_reward(json.loads(reward.model_dump_json())) == reward


def test_parse():
    assert parse_reward("self_certainty") == SelfCertainty()
    assert parse_reward({"type": "unit_tests", "fraction": True}) == UnitTests(fraction=True)
    assert parse_reward({"type": "random", "p": 0.25, "weight": 2}) == Random(p=0.25, weight=2.0)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("self_certanty", "no reward 'self_certanty'.\nDid you mean 'self_certainty'?"),
        ("xyz", "Known: alternation, cluster_certainty, co_rewarding, constant"),
        ({"weight": 1.0}, "A reward needs a type"),
        ({"type": 3}, "A reward needs a type"),
        ({"type": "unit_tests", "fractoin": True}, "no option 'fractoin'.\nDid you mean 'fraction'?"),
        ({"type": "random", "p": 1.5}, "Reward 'random' cannot be made: p = 1.5: "),
        ({"type": "random", "weight": float("nan")}, "weight = nan: "),
    ],
)
def test_mistakes_are_answered_with_a_fix(spec, message):
    with pytest.raises(UserError) as raised:
        parse_reward(spec)
    assert message in str(raised.value)


def test_rewards_are_frozen_and_hashable():
    reward = UnitTests()
    with pytest.raises(ValidationError):
        reward.fraction = True
    assert len({UnitTests(), UnitTests(), UnitTests(fraction=True)}) == 2


def test_need_values_are_the_names_others_rely_on():
    assert [need.value for need in Need] == [
        "token_stats",
        "executions",
        "hidden_tests",
        "teacher",
        "verifications",
    ]


@pytest.mark.parametrize("name", ALL_REWARDS)
def test_the_documentation_has_a_row_that_says_what_the_class_says(name):
    reward = ALL_REWARDS[name]
    needs = ", ".join(sorted(reward.needs)) or ("its rewards'" if issubclass(reward, Combination) else "-")
    facts = [f"`{name}`", reward.formula, reward.paper, needs, reward.cost, reward.failure, reward.undefined]
    assert f"| {' | '.join(facts)} |" in DOCS.read_text(encoding="utf-8")


@pytest.fixture
def run():
    app = typer.Typer()
    app.command()(rewards_command)
    return lambda *arguments: CliRunner().invoke(app, arguments)


def test_command_prints_every_fact(run):
    result = run()
    assert result.exit_code == 0
    words = " ".join(result.stdout.replace("│", " ").split())
    for name, reward in ALL_REWARDS.items():
        assert name in words
        assert reward.formula.split(",")[0] in words  # brackets are not taken for markup
    assert "hidden_tests" in words


def test_command_prints_json(run):
    result = run("--json")
    rows = {row["type"]: row for row in json.loads(result.stdout)}
    assert list(rows) == list(ALL_REWARDS)
    assert rows["unit_tests"]["needs"] == ["hidden_tests"]
    assert rows["unit_tests"]["options"] == {"weight": 1.0, "fraction": False, "tests": "all"}
    assert rows["self_certainty"]["options"] == {
        "weight": 1.0,
        "temperature": "run",
        "tokens": "all",
        "scorer": "policy",
    }
    assert rows["mixture"]["needs"] == ["its rewards'"]
    assert rows["mixture"]["options"] == {"weight": 1.0, "rewards": "required"}
    assert rows["rlsc"]["undefined"] == ALL_REWARDS["rlsc"].undefined
    assert rows["functional_majority"]["formula"] == ALL_REWARDS["functional_majority"].formula
