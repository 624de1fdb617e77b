"""One sandbox a process, made when the first program comes.

verl scores in several Ray actors, and calls from several threads in each. An actor that Ray kills runs no
exit handlers; bwrap's workers end with it all the same.
"""

import atexit
import functools
import os
import threading

from rlif.sandbox import Sandbox

_lock = threading.Lock()


def sandbox() -> Sandbox:
    """Return this process's sandbox. RLIF_ISOLATION=process takes the weaker kind, where bwrap is missing."""
    with _lock:
        return _make()


@functools.cache
def _make() -> Sandbox:
    made = Sandbox(workers=2, isolation=os.environ.get("RLIF_ISOLATION", "bwrap")).__enter__()
    atexit.register(made.close)
    return made
