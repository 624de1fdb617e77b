"""Reports of a child to its zygote: one frame for each input of a functional program, or for an error.

A frame is 5 bytes (status, length) and a payload: the encoded result of the input, or the last line of the
error. The program can write there too: it then lies about nothing but its own outputs.
"""

import mmap
import os
import struct
import traceback
from collections.abc import Iterator

from rlif.sandbox.inside import codec
from rlif.sandbox.inside.limits import LimitReached
from rlif.sandbox.inside.pages import OutputBuffer, private_pages

REPORT_FD = 3

_FRAME = struct.Struct(">BI")
_STATUSES = ("ok", "runtime_error", "memory_limit", "output_limit", "compile_error")  # by number in the frame
MAX_ERROR = 500
"""Longest description of an error, in bytes."""
_BALLAST = 2 << 20
HEAD_BYTES = _FRAME.size


class Reporter:
    """Child's side: writes frames; keeps some memory back so that running out of it can be reported.

    Made before the fork; output_bytes bounds each result.
    """

    _ballast: mmap.mmap | None = private_pages(_BALLAST)  # address space only, no page touched

    def __init__(self, output_bytes: int) -> None:
        self._output_bytes = output_bytes

    def value(self, value: object) -> None:
        """Report the result of one input."""
        payload = codec.dumps(value)
        if len(payload) > self._output_bytes:
            self._write("output_limit", f"result of {len(payload)} bytes".encode())
        else:
            self._write("ok", payload)

    def error(self, error: BaseException, status: str = "runtime_error") -> None:
        """Report that an input ended in an exception."""
        if isinstance(error, MemoryError):
            Reporter._ballast = None
            status = "memory_limit"
        self._write(status, _last_line(error).encode("utf-8", "replace")[:MAX_ERROR])

    def _write(self, status: str, payload: bytes) -> None:
        data = _FRAME.pack(_STATUSES.index(status), len(payload)) + payload
        while data:
            data = data[os.write(REPORT_FD, data) :]


def complete_frames(buffer: OutputBuffer, max_payload: int) -> Iterator[tuple[str, memoryview]]:
    """Take the complete frames out of what a child wrote; yield status and payload of each.

    Raises `LimitReached` on anything that is no frame or is longer than max_payload.
    """
    while len(unread := buffer.unread) >= _FRAME.size:
        number, length = _FRAME.unpack_from(unread)
        if number >= len(_STATUSES):
            raise LimitReached("killed", "wrote to a descriptor that is not its own")
        if length > max(max_payload, MAX_ERROR):
            raise LimitReached("output_limit", f"result of {length} bytes")
        if len(unread) < _FRAME.size + length:
            return
        buffer.take(_FRAME.size)
        payload = buffer.take(length)
        status = _STATUSES[number]
        yield status, payload if status == "ok" else payload[:MAX_ERROR]


def last_error(buffer: OutputBuffer) -> tuple[str, memoryview] | None:
    """Return status and text of the last error that a child reported, if it wrote whole frames only."""
    last = None
    try:
        for status, payload in complete_frames(buffer, MAX_ERROR):
            if status != "ok":
                last = status, payload
    except LimitReached:
        return None
    return last


def _last_line(error: BaseException) -> str:
    try:
        return traceback.format_exception_only(type(error), error)[-1].strip()
    except BaseException:  # a hostile __str__
        return type(error).__name__
