"""Rewards as configuration, in the documentation and on the command line."""

import json
from pathlib import Path

import pytest
import typer
from pydantic import BaseModel, ValidationError
from typer.testing import CliRunner

from rlif.cli.rewards import rewards as rewards_command
from rlif.errors import UserError
from rlif.rewards import ALL_REWARDS, AnyReward, Need, Random, SelfCertainty, UnitTests, parse_reward

DOCS = Path(__file__).parent.parent / "docs" / "rewards.md"


class Stage(BaseModel):
    rewards: list[AnyReward]


def test_a_configuration_field_accepts_every_reward():
    stage = Stage.model_validate({"rewards": [{"type": name} for name in ALL_REWARDS]})
    assert [type(reward) for reward in stage.rewards] == list(ALL_REWARDS.values())


@pytest.mark.parametrize("name", ALL_REWARDS)
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
        ("xyz", "Known: functional_majority, random, self_certainty"),
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
    assert [need.value for need in Need] == ["token_stats", "executions", "hidden_tests", "teacher"]


@pytest.mark.parametrize("name", ALL_REWARDS)
def test_the_documentation_has_a_row_that_says_what_the_class_says(name):
    reward = ALL_REWARDS[name]
    needs = ", ".join(sorted(reward.needs)) or "-"
    facts = [f"`{name}`", reward.formula, reward.paper, needs, reward.cost, reward.failure]
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
    assert rows["unit_tests"]["options"] == {"weight": 1.0, "fraction": False}
    assert rows["functional_majority"]["formula"] == ALL_REWARDS["functional_majority"].formula
