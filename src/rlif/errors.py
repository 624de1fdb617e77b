"""The one error a user is meant to see.

Anything a user can cause (a typo, a missing file, an impossible setting) is raised as a `UserError`; the
command line prints its message, without a traceback, and exits with code 2.
"""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """A mistake the user can mend: says what is wrong with which value, and what to do."""

    def __init__(self, message: str, fix: str = "") -> None:
        super().__init__(f"{message}\n{fix}" if fix else message)
        self.message = message
        self.fix = fix


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return "Did you mean 'x'?" for the nearest known name, else the list of known names."""
    known = sorted(known)
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f"Did you mean '{near[0]}'?" if near else f"Known: {', '.join(known)}."


def missing_extra(package: str, extra: str) -> UserError:
    """Return the error for a package that one of rlif's optional extras would install."""
    return UserError(
        f"This needs the package '{package}', which is not installed.",
        f"Install it with: pip install 'rlif[{extra}]'",
    )
