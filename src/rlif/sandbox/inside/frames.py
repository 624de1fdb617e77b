"""Messages between rlif and a zygote: a JSON header and any number of byte strings, lengths first.

8 bytes             lengths of the header and of the body, big-endian
header              JSON object; its key "sizes" tells how the body is cut
body                the byte strings, one after the other
"""

import json
import socket
import struct
from collections.abc import Callable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from rlif.sandbox.inside.pages import Buffer

Body = TypeVar("Body", bound=Buffer)

_LENGTHS = struct.Struct(">II")
_MAX_HEADER = 16 << 20
_MAX_PARTS = 512
"""Buffers that one sendmsg(2) takes at most (the kernel's IOV_MAX is 1024)."""


class Message(NamedTuple, Generic[Body]):
    """One message: what it says, the bytes that go with it, and the memory that these are views of."""

    header: dict[str, Any]
    blobs: list[memoryview]
    body: Body


def send(connection: socket.socket, header: dict[str, Any], blobs: Sequence[Buffer] = ()) -> None:
    """Send one message, copying none of the blobs; raises OSError when the other side is gone."""
    views = [memoryview(blob) for blob in blobs]
    sizes = [len(view) for view in views]
    head = json.dumps({**header, "sizes": sizes}).encode()
    parts = [memoryview(_LENGTHS.pack(len(head), sum(sizes)) + head), *filter(len, views)]
    while parts:
        count = connection.sendmsg(parts[:_MAX_PARTS])
        while parts and count >= len(parts[0]):
            count -= len(parts.pop(0))
        if parts:
            parts[0] = parts[0][count:]


def receive(
    connection: socket.socket, max_body: int, allocate: Callable[[int], Body]
) -> Message[Body] | None:
    """Return the next message, or None when the other side has closed.

    allocate: makes the memory for a body of so many bytes.

    Raises ValueError for a message that is not well formed or whose body is longer than max_body bytes.
    """
    lengths = bytearray(_LENGTHS.size)
    if not _fill(connection, memoryview(lengths)):
        return None
    head_length, body_length = _LENGTHS.unpack(lengths)
    if head_length > _MAX_HEADER or body_length > max_body:
        raise ValueError(f"message of {head_length} + {body_length} bytes is over the limit")
    head = bytearray(head_length)
    memory = allocate(body_length)
    body = memoryview(memory)[:body_length]
    if not (_fill(connection, memoryview(head)) and _fill(connection, body)):
        return None
    header = json.loads(head)
    sizes = header.pop("sizes")
    if any(type(size) is not int or size < 0 for size in sizes) or sum(sizes) != body_length:
        raise ValueError("message whose sizes do not add up to its body")
    blobs: list[memoryview] = []
    start = 0
    for size in sizes:
        blobs.append(body[start : start + size])
        start += size
    return Message(header, blobs, memory)


def _fill(connection: socket.socket, view: memoryview) -> bool:
    while view:
        count = connection.recv_into(view)
        if count == 0:
            return False
        view = view[count:]
    return True
