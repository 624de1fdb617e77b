"""The bytes of a log file, unpacked: the one place that opens log files as a whole."""

import zlib
from pathlib import Path

from rlif.errors import UserError

MOST_BYTES = 2 << 30
"""Logs beyond this, unpacked, are refused: metrics are never that large, and memory may be."""

_GZIP = b"\x1f\x8b"


def read_content(path: Path, most: int = MOST_BYTES) -> bytes:
    """Return what a file holds; gzip is unpacked, also when its end is missing, and a BOM is removed.

    Raises:
        UserError: it cannot be read, is damaged, or larger than `most` bytes.
    """
    try:
        with path.open("rb") as file:
            data = file.read(most + 1)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.", "Check the path.") from error
    if data.startswith(_GZIP):
        data = _unpack(path, data, most + 1)
    if len(data) > most:
        fix = "Give the lines with metrics only, such as: grep -E 'step:|Global step' LOG > short.log"
        raise UserError(f"{path} holds more than {most / 2**30:.0f} GiB.", fix)
    return data.removeprefix(b"\xef\xbb\xbf")


def _unpack(path: Path, data: bytes, most: int) -> bytes:
    """Return the content of concatenated gzip members, as far as they go."""
    parts: list[bytes] = []
    room = most
    try:
        while data.startswith(_GZIP) and room > 0:
            member = zlib.decompressobj(zlib.MAX_WBITS | 16)
            parts.append(member.decompress(data, room))
            room -= len(parts[-1])
            data = member.unused_data
    except zlib.error as error:
        if not any(parts):
            raise UserError(f"{path} is damaged: {error}.", "Unpack it with gunzip to see more.") from error
    return b"".join(parts)
