"""`rlif rewards`: every reward, what it computes, what it needs and how it fails."""

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from rlif.rewards import ALL_REWARDS, Combination, Reward


def rewards(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List every reward: formula, paper, what it needs, its cost, its known failure, when it is undefined."""
    facts = [_facts(name, reward) for name, reward in ALL_REWARDS.items()]
    if as_json:
        typer.echo(json.dumps(facts, indent=2, ensure_ascii=False))
        return
    # One row a fact: six columns of prose would not fit a terminal. `Text`, since 1[a = b] is not markup.
    table = Table(show_header=False)
    for reward in facts:
        for key, value in list(reward.items())[1:]:
            name = reward["type"] if key == "formula" else ""
            table.add_row(Text(str(name), "bold"), key, Text(_text(value)), end_section=key == "options")
    Console().print(table)


def _facts(name: str, reward: type[Reward]) -> dict[str, object]:
    return {
        "type": name,
        "formula": reward.formula,
        "paper": reward.paper,
        "needs": ["its rewards'"] if issubclass(reward, Combination) else sorted(reward.needs),
        "cost": reward.cost,
        "failure": reward.failure,
        "undefined": reward.undefined,
        "options": {
            key: "required" if field.is_required() else field.default
            for key, field in reward.model_fields.items()
            if key != "type"
        },
    }


def _text(value: object) -> str:
    match value:
        case dict():
            return ", ".join(f"{key} = {json.dumps(default)}" for key, default in value.items())
        case list():
            return ", ".join(value) or "-"
        case _:
            return str(value)
