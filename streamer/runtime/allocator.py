"""How the C library hands memory out, for a process that runs for weeks."""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress
from typing import Final

_M_MMAP_THRESHOLD: Final = -3
_LARGE_BYTES: Final = 1 << 20


def give_large_blocks_back() -> None:
    """Take blocks of a megabyte and more from the system one by one, and return each when it is
    freed. Otherwise glibc, once it has freed a session's buffers, takes the next ones from the
    heap, which small blocks between them keep from shrinking: after 100,000 malformed messages a
    server held half a gigabyte more. Does nothing where there is no glibc.
    """
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL("libc.so.6").mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
