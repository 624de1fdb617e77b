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

REPORT_FD = 3

_FRAME = struct.Struct(">BI")
_STATUSES = ("ok", "runtime_error", "memory_limit", "output_limit", "compile_error")  # by number in the frame
_MAX_ERROR = 500
_BALLAST = 2 << 20


class Reporter:
    """Child's side: writes frames; keeps some memory back so that running out of it can be reported."""

    def __init__(self, output_bytes: int) -> None:
        self._output_bytes = output_bytes
        self._ballast: mmap.mmap | None = mmap.mmap(-1, _BALLAST)  # address space only, no page touched

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
            self._ballast = None
            status = "memory_limit"
        self._write(status, _last_line(error).encode("utf-8", "replace")[:_MAX_ERROR])

    def _write(self, status: str, payload: bytes) -> None:
        data = _FRAME.pack(_STATUSES.index(status), len(payload)) + payload
        while data:
            data = data[os.write(REPORT_FD, data) :]


class ReportReader:
    """Zygote's side: cuts what was written into frames; iterating takes the complete ones out.

    Iterating raises `LimitReached` on anything that is no frame or is longer than max_payload.
    """

    def __init__(self, max_payload: int) -> None:
        self._buffer = bytearray()
        self._max_payload = max(max_payload, _MAX_ERROR)

    def feed(self, chunk: bytes) -> None:
        """Take in what the child has written."""
        self._buffer += chunk

    def __iter__(self) -> Iterator[tuple[str, bytes]]:
        while len(self._buffer) >= _FRAME.size:
            number, length = _FRAME.unpack_from(self._buffer)
            if number >= len(_STATUSES):
                raise LimitReached("killed", "wrote to a descriptor that is not its own")
            if length > self._max_payload:
                raise LimitReached("output_limit", f"result of {length} bytes")
            end = _FRAME.size + length
            if len(self._buffer) < end:
                return
            payload = bytes(self._buffer[_FRAME.size : end])
            del self._buffer[:end]
            yield _STATUSES[number], payload

    def last(self) -> tuple[str, str] | None:
        """Return status and text of the last error reported, if any."""
        try:
            errors = [
                (status, payload.decode("utf-8", "replace")) for status, payload in self if status != "ok"
            ]
        except LimitReached:
            return None
        return errors[-1] if errors else None


def _last_line(error: BaseException) -> str:
    try:
        return traceback.format_exception_only(type(error), error)[-1].strip()
    except BaseException:  # a hostile __str__
        return type(error).__name__
