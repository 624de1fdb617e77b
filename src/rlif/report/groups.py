"""Arms in families, for curves that need more runs than one arm has."""

from rlif.conclusions.families import FAMILIES
from rlif.records import Role
from rlif.report.arms import Arm

NAMES = {
    "certainty": "Certainty rewards",
    "consensus": "Consensus rewards",
    "other": "Other rewards without tests",
    "mixed": "Tests and another reward at once",
    "transfer": "First without tests, then with",
    "verifiable": "Tests",
    "control": "Controls",
}
"""Group -> its name, in the order to show them."""


def group_of(arm: Arm) -> str:
    """Return the key of `NAMES` an arm belongs to."""
    match arm.role:
        case Role.VERIFIABLE:
            return "verifiable"
        case Role.CONTROL:
            return "control"
        case Role.TRANSFER:
            return "transfer"
        case Role.MIXTURE:
            return "mixed"
        case Role.INTRINSIC:
            families = {family for family, names in FAMILIES.items() if arm.rewards & set(names)}
            known = {"certainty", "consensus"} & families
            return known.pop() if len(families) == 1 and known else "other"
