"""Messages between rlif and a zygote: a JSON header and any number of byte strings, lengths first.

8 bytes             lengths of the header and of the body, big-endian
header              JSON object; its key "sizes" tells how the body is cut
body                the byte strings, one after the other
"""

import json
import socket
import struct
from collections.abc import Sequence
from typing import Any, NamedTuple

_LENGTHS = struct.Struct(">II")
_MAX_HEADER = 16 << 20


class Message(NamedTuple):
    """One message: what it says, and the bytes that go with it."""

    header: dict[str, Any]
    blobs: list[bytes]


def send(connection: socket.socket, header: dict[str, Any], blobs: Sequence[bytes] = ()) -> None:
    """Send one message; raises OSError when the other side is gone."""
    head = json.dumps({**header, "sizes": [len(blob) for blob in blobs]}).encode()
    body = b"".join(blobs)
    connection.sendall(_LENGTHS.pack(len(head), len(body)) + head)
    if body:
        connection.sendall(body)


def receive(connection: socket.socket, max_body: int) -> Message | None:
    """Return the next message, or None when the other side has closed.

    Raises ValueError for a message that is not well formed or whose body is longer than max_body bytes.
    """
    lengths = _read(connection, _LENGTHS.size)
    if lengths is None:
        return None
    head_length, body_length = _LENGTHS.unpack(lengths)
    if head_length > _MAX_HEADER or body_length > max_body:
        raise ValueError(f"message of {head_length} + {body_length} bytes is over the limit")
    head = _read(connection, head_length)
    body = _read(connection, body_length)
    if head is None or body is None:
        return None
    header = json.loads(head)
    sizes = header.pop("sizes")
    if any(type(size) is not int or size < 0 for size in sizes) or sum(sizes) != body_length:
        raise ValueError("message whose sizes do not add up to its body")
    blobs: list[bytes] = []
    start = 0
    for size in sizes:
        blobs.append(body[start : start + size])
        start += size
    return Message(header, blobs)


def _read(connection: socket.socket, length: int) -> bytes | None:
    buffer = bytearray(length)
    view = memoryview(buffer)
    while view:
        count = connection.recv_into(view)
        if count == 0:
            return None
        view = view[count:]
    return bytes(buffer)
