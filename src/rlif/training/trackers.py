"""The trackers of `report_to`, tried before a run begins: known to transformers, and installed.

They log through TRL beside rlif's own records, which do not depend on them.
"""

from collections.abc import Iterable

from transformers.integrations.integration_utils import (
    INTEGRATION_TO_CALLBACK,
    get_reporting_integration_callbacks,
)

from rlif.errors import UserError, did_you_mean


def check_trackers(names: Iterable[str]) -> None:
    """Make each tracker's callback once, as the trainer will.

    Args:
        names: of `report_to`.

    Raises:
        UserError: transformers does not know it, or its package is not installed.
    """
    for name in names:
        if name in ("all", "none"):  # as transformers takes them: what is installed, or nothing
            continue
        if name not in INTEGRATION_TO_CALLBACK:
            raise UserError(
                f"report_to = '{name}' is no tracker that transformers knows.",
                did_you_mean(name, INTEGRATION_TO_CALLBACK),
            )
        try:
            for callback in get_reporting_integration_callbacks([name]):
                callback()
        except (ImportError, RuntimeError) as error:
            raise UserError(
                f"report_to = '{name}' cannot be used: {str(error).splitlines()[0]}",
                f"Install its package (often: pip install {name}), or leave it out of report_to.",
            ) from error
