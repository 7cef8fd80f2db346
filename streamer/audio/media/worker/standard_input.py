"""The container from standard input: a file, or a pipe that is read as it comes."""

from __future__ import annotations

import io
import struct
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Final

from streamer.audio.media.worker.messages import DecodingError, Output
from streamer.audio.media.worker.wav_header import RawSamples, read_wav_header

_NOTHING_BYTES: Final = 16 << 20
"""Before the first sample; covers of albums come first."""
_BOX: Final = struct.Struct(">I4s")
_BOXES_BYTES: Final = 1 << 16
_SPOOL_BYTES: Final = 1 << 20
_FILE_PROBE_BYTES: Final = 5 << 20
LIVE_PROBE_BYTES: Final = 1 << 16
_SHORT_PROBE_BYTES: Final = 1 << 12
_SELF_EXPLAINING: Final = (b"fLaC", b"OggS", b"\x1a\x45\xdf\xa3")
"""How containers begin whose header tells all: FLAC, Ogg, Matroska and WebM."""


@dataclass(frozen=True)
class Input:
    """What the decoder reads."""

    file: IO[bytes] | io.RawIOBase
    whole: bool
    """It can be read anywhere, and its sound has a place in time."""
    probe_bytes: int
    """So much may be read to find out what it is, before anything is heard."""
    samples: RawSamples | None = None
    """It is known to hold no more than these."""


class Pipe(io.RawIOBase):
    """Gives what has come as soon as something has, and tells the parent what is used up."""

    def __init__(self, file: io.RawIOBase, output: Output, on_progress: Callable[[], None]) -> None:
        self._file = file
        self._output = output
        self._on_progress = on_progress
        self._ahead = b""
        self._n_bytes = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """Raises DecodingError: far too much came without any sound in it."""
        if self._ahead:
            data, self._ahead = self._ahead[:size], self._ahead[size:]
            return data
        if not self._output.has_begun and self._n_bytes > _NOTHING_BYTES:
            raise DecodingError(f"no sound is in the first {_NOTHING_BYTES >> 20} MB")
        return self._next(size)

    def peek(self, n_bytes: int) -> bytes:
        """The next bytes, which will be read again; fewer at the end."""
        while len(self._ahead) < n_bytes and (more := self._next(n_bytes - len(self._ahead))):
            self._ahead += more
        return self._ahead[:n_bytes]

    def skip(self, n_bytes: int) -> None:
        """Leave out what was peeked at."""
        self._ahead = self._ahead[n_bytes:]

    def spool(self) -> IO[bytes]:
        """All of it, in a file without a name."""
        file = tempfile.TemporaryFile()  # noqa: SIM115 - for as long as the process
        while data := self.peek(_SPOOL_BYTES):
            file.write(data)
            self._ahead = b""
        file.seek(0)
        return file

    def _next(self, size: int) -> bytes:
        self._output.needs(self._n_bytes)
        data = self._file.read(size) or b""
        self._n_bytes += len(data)
        self._on_progress()
        return data


def standard_input(output: Output, on_progress: Callable[[], None], *, spool: bool) -> Input:
    """
    Args:
        on_progress: called when input has come.
        spool: a container that cannot be read as it comes may be written to a file first.

    Raises:
        DecodingError: nothing comes, or it cannot be read as it comes.
    """
    file = io.FileIO(0, "rb", closefd=False)
    if file.seekable():
        return Input(file, whole=True, probe_bytes=_FILE_PROBE_BYTES)
    pipe = Pipe(file, output, on_progress)
    if not pipe.peek(1):
        raise DecodingError("is empty")
    if not is_index_last(pipe.peek):
        samples = read_wav_header(pipe.peek)
        if samples is not None:
            pipe.skip(samples.header_bytes)
            return Input(pipe, whole=False, probe_bytes=_SHORT_PROBE_BYTES, samples=samples)
        short = pipe.peek(4) in _SELF_EXPLAINING
        probe_bytes = _SHORT_PROBE_BYTES if short else LIVE_PROBE_BYTES
        return Input(pipe, whole=False, probe_bytes=probe_bytes)
    if spool:
        return Input(pipe.spool(), whole=True, probe_bytes=_FILE_PROBE_BYTES)
    raise DecodingError(
        "this mp4 has its index at the end and cannot be heard while it comes; send it as a file, "
        "or record it in fragments"
    )


def is_index_last(peek: Callable[[int], bytes]) -> bool:
    """Whether it is an mp4 that has its sound before the index that tells where it is."""
    at = 0
    while at < _BOXES_BYTES and len(head := peek(at + _BOX.size)) == at + _BOX.size:
        size, kind = _BOX.unpack_from(head, at)
        if at == 0 and kind != b"ftyp":
            return False
        if kind in (b"mdat", b"moov", b"moof") or size < _BOX.size:
            return bool(kind == b"mdat")
        at += size
    return False
