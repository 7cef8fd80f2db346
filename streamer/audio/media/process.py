"""The worker from outside: how it is started, and what it says. No waiting here."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from streamer.audio.arrays import Floats
from streamer.audio.media.worker.messages import HEADER, DecodingError, Kind

_ROOT: Final = Path(__file__).parents[3]
_SECRETS: Final = "STREAMER_"


@dataclass(frozen=True)
class Format:
    rate: int
    channels: int
    length_s: float | None


@dataclass(frozen=True)
class Needs:
    """It has made all it could of what it was given."""

    used_bytes: int


Message = Format | Needs | Floats


def can_decode() -> bool:
    """Whether PyAV is installed."""
    return importlib.util.find_spec("av") is not None


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-P", "-m", "streamer.audio.media.worker", *arguments]


def environment() -> dict[str, str]:
    """This very code, and none of our secrets: a decoder that is taken over must not know them."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_SECRETS)}
    paths = [str(_ROOT), *filter(None, [kept.get("PYTHONPATH")])]
    return kept | {"PYTHONPATH": os.pathsep.join(paths)}


def died(returncode: int) -> DecodingError | None:
    """What the end of the worker tells, where it has said nothing itself."""
    if returncode == 0:
        return None
    if sys.platform != "win32" and returncode == -signal.SIGPROF:
        return DecodingError("decoding it takes too long")
    return DecodingError("the decoder broke on it: it is damaged")


class MessageReader:
    """Messages out of bytes that were cut anywhere."""

    def __init__(self) -> None:
        self._rest = b""
        self._channels = 1

    def read(self, data: bytes) -> Iterator[Message]:
        """The messages that are complete with these bytes.

        Raises:
            DecodingError: the worker has given up; all that came before has been given.
        """
        data = self._rest + data
        at = 0
        while len(data) - at >= HEADER.size:
            kind, length = HEADER.unpack_from(data, at)
            end = at + HEADER.size + length
            if end > len(data):
                break
            payload = memoryview(data)[at + HEADER.size : end]
            at = end
            self._rest = data[at:]
            yield self._message(Kind(kind), payload)
        self._rest = data[at:]

    def _message(self, kind: Kind, payload: memoryview) -> Message:
        match kind:
            case Kind.FORMAT:
                told = Format(**json.loads(bytes(payload)))
                self._channels = told.channels
                return told
            case Kind.SAMPLES:
                return np.frombuffer(payload, "<f4").reshape(-1, self._channels)
            case Kind.NEEDS:
                return Needs(int.from_bytes(payload, "little"))
            case Kind.ERROR:
                raise DecodingError(str(payload, "utf-8", "replace"))
