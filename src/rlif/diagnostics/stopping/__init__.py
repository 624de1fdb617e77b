"""Stopping rules: when to stop a run that nobody has tests for, and which of its policies to keep.

A new rule is one file and one line in `SimpleRule`.
"""

from typing import Annotated

from pydantic import Field

from rlif.diagnostics.stopping.base import Advice, StoppingRule
from rlif.diagnostics.stopping.change_point import ChangePoint
from rlif.diagnostics.stopping.consensus import Consensus
from rlif.diagnostics.stopping.decline import Decline
from rlif.diagnostics.stopping.first_of import FirstOf, SimpleRule
from rlif.diagnostics.stopping.fixed_step import FixedStep
from rlif.diagnostics.stopping.healthy_range import HealthyRange
from rlif.diagnostics.stopping.history import History, Signal
from rlif.diagnostics.stopping.max_reward import MaxReward

AnyRule = Annotated[SimpleRule | FirstOf, Field(discriminator="type")]
"""Any of the rules, by its `type`."""

__all__ = [
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
