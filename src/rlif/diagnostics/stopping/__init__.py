"""Stopping rules: when to stop a run that nobody has tests for, and which of its policies to keep.

A new rule is one file and one line in `SimpleRule`.
"""

from typing import Annotated, Any, get_args

from pydantic import BeforeValidator, Field

from rlif.diagnostics.stopping.action import Action
from rlif.diagnostics.stopping.base import Advice, StoppingRule
from rlif.diagnostics.stopping.change_point import ChangePoint
from rlif.diagnostics.stopping.consensus import Consensus
from rlif.diagnostics.stopping.decline import Decline
from rlif.diagnostics.stopping.first_of import FirstOf, SimpleRule
from rlif.diagnostics.stopping.fixed_step import FixedStep
from rlif.diagnostics.stopping.healthy_range import HealthyRange
from rlif.diagnostics.stopping.history import History, Signal
from rlif.diagnostics.stopping.max_reward import MaxReward
from rlif.errors import did_you_mean

DEFAULT_RULE: StoppingRule = HealthyRange()
"""The shipped rule: what `CollapseCallback` goes by unless told otherwise, and what claims and
recommendations judge. docs/stopping.md says what it was chosen by."""

RULES: dict[str, type[StoppingRule]] = {
    rule.model_fields["type"].default: rule for rule in (*get_args(get_args(SimpleRule)[0]), FirstOf)
}
"""type -> class."""


def _table(value: Any) -> Any:
    """Take a rule by its type alone; where there is no such type or option, say which there are."""
    if not isinstance(value, str | dict):
        return value
    table: dict[str, Any] = {"type": value} if isinstance(value, str) else value
    if "type" not in table:
        raise ValueError(f"a rule needs a type, one of: {', '.join(RULES)}")
    name = str(table["type"])
    if name not in RULES:
        raise ValueError(f"there is no rule '{name}'. {did_you_mean(name, RULES)}")
    for option in table:
        if option not in (known := RULES[name].model_fields):
            raise ValueError(f"rule '{name}' has no option '{option}'. {did_you_mean(option, known)}")
    return table


AnyRule = Annotated[Annotated[SimpleRule | FirstOf, Field(discriminator="type")], BeforeValidator(_table)]
"""Any of the rules: by its `type` alone, or as a table of type and options."""

__all__ = [
    "DEFAULT_RULE",
    "RULES",
    "Action",
    "Advice",
    "AnyRule",
    "ChangePoint",
    "Consensus",
    "Decline",
    "FirstOf",
    "FixedStep",
    "HealthyRange",
    "History",
    "MaxReward",
    "Signal",
    "StoppingRule",
]
