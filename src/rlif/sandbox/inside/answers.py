"""`Answers`: what is told to rlif of a program's inputs, in few messages but without delay.

Inputs that are through within a few milliseconds of each other share a message; rlif learns of the others at
once, so that it can say that it wants no more (see `Program.accept`). While a program runs something is sent
at least every second: a zygote that says nothing for long is stuck.
"""

import socket
import time
from typing import Any

from rlif.sandbox.inside import frames
from rlif.sandbox.inside.pages import Buffer

_TOGETHER_S = 0.005
_ALIVE_S = 1.0


class Answers:
    """Collects and sends the outcomes of so many inputs, in order.

    Attributes:
        missing: how many inputs have none yet.
        last_status: status of the last one added. has_failed: one of them is not "ok".
    """

    def __init__(self, connection: socket.socket, inputs: int) -> None:
        self._connection = connection
        self._outputs: list[dict[str, Any]] = []
        self._contents: list[Buffer] = []
        self._sent_at = time.monotonic()
        self.missing = inputs
        self.last_status = ""
        self.has_failed = False

    def add(self, status: str, cpu_s: float = 0.0, wall_s: float = 0.0, content: Buffer = b"") -> None:
        """Answer for the next input; content: its result if the status is "ok", else a description.

        It is sent at the latest by the next `send`, and must stay as it is until then.
        """
        self._outputs.append({"status": status, "cpu_s": cpu_s, "wall_s": wall_s})
        self._contents.append(content)
        self.missing -= 1
        self.last_status = status
        self.has_failed = self.has_failed or status != "ok"

    def fill(self, status: str) -> None:
        """Give all inputs that have no answer yet the same status."""
        while self.missing:
            self.add(status)

    def send_if_due(self) -> None:
        """Send what has been held back for some time, or a sign of life if nothing was sent for a second."""
        since = time.monotonic() - self._sent_at
        if since > _ALIVE_S or (self._outputs and since > _TOGETHER_S):
            self.send()

    def send(self, **end: Any) -> None:
        """Send all that is held back. end: what is said at the end of a program."""
        frames.send(self._connection, {"outputs": self._outputs, **end}, self._contents)
        self._outputs, self._contents = [], []
        self._sent_at = time.monotonic()
