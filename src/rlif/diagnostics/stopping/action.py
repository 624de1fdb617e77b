"""`Action`: what becomes of training once a rule says stop."""

from enum import StrEnum


class Action(StrEnum):
    """What to do when the rule says stop."""

    WARN = "warn"  # say so, once, and go on
    STOP = "stop"  # end training with the weights as they are
    ROLLBACK = "rollback"  # end training with the weights of the best checkpoint
