"""Memory for what programs send and get, kept off the heap, where a program forked later could find it.

Freed heap memory keeps its content and is inherited by every fork: the next program would read there what the
one before it was asked and what it answered. Pages mapped here are given back to the kernel when done with.
"""

import mmap
from typing import TypeAlias

Buffer: TypeAlias = bytes | bytearray | memoryview | mmap.mmap
"""Memory that holds bytes."""

_MADV_WIPEONFORK = 18  # madvise(2); mmap has no name for it


def private_pages(size: int) -> mmap.mmap:
    """Return zeroed memory of so many bytes (at least one)."""
    return mmap.mmap(-1, max(size, 1), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)


class OutputBuffer:
    """What children wrote. A child sees zeros there.

    Bytes are added at the end (`room`, `added`) and taken from the start (`unread`, `take`). What was taken
    may be looked at until `make_room` moves the rest to the front.
    """

    def __init__(self, size: int) -> None:
        self._pages = private_pages(size)
        self._pages.madvise(_MADV_WIPEONFORK)
        self._view = memoryview(self._pages)
        self._start = self._end = 0

    @property
    def room(self) -> memoryview:
        """The free part."""
        return self._view[self._end :]

    @property
    def unread(self) -> memoryview:
        """What was added and not taken."""
        return self._view[self._start : self._end]

    def added(self, count: int) -> None:
        """So many bytes have been written to the beginning of `room`."""
        self._end += count

    def take(self, count: int) -> memoryview:
        """Return the next so many bytes of `unread` and go past them."""
        taken = self._view[self._start : self._start + count]
        self._start += count
        return taken

    def make_room(self) -> None:
        """Move what is unread to the front; what was taken is gone."""
        length = self._end - self._start
        self._pages.move(0, self._start, length)
        self._start, self._end = 0, length

    def wipe(self) -> None:
        """Give the memory back."""
        self._pages.madvise(mmap.MADV_DONTNEED)
