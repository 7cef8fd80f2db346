"""Audio frames of one session, checked against their order and clock. No I/O here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from streamer.protocol.errors import ProtocolError
from streamer.protocol.frames import (
    HEADER,
    AudioFrame,
    ContainerFrame,
    FrameError,
    SampleError,
    decode_header,
    decode_samples,
)
from streamer.protocol.messages import MAX_FRAME_MS, MAX_GAP_MS, Encoding, ErrorCode

_SEQ_MODULUS: Final = 2**32


@dataclass(frozen=True, slots=True)
class Hole:
    """Audio before `until_offset` (client's samples) that is missing for good."""

    until_offset: int
    reason: Literal["gap", "bad_samples"]


_WIDTHS: Final = {Encoding.PCM_S16LE: 2, Encoding.PCM_F32LE: 4, Encoding.CONTAINER: 1}

FrameItem = ProtocolError | Hole | AudioFrame | ContainerFrame


class FrameReader:
    """Checks the audio frames of one session against their order and clock.

    Samples are those of one channel, however many there are. Of a container bytes are counted in
    their place, and none may be missing.

    The clock lasts as long as the session; the numbers begin anew on every connection.
    """

    def __init__(
        self, rate: int, encoding: Encoding, start_offset: int = 0, channels: int = 1
    ) -> None:
        """
        Args:
            start_offset: of the first sample to come.
        """
        self.rate = rate
        self._encoding = encoding
        self.channels = channels
        self._width = _WIDTHS[encoding] * (1 if encoding is Encoding.CONTAINER else channels)
        self._next_seq = 0
        self._next_offset = start_offset

    @property
    def end_offset(self) -> int:
        """Client samples, or bytes of a container, seen or missed so far."""
        return self._next_offset

    def begin_connection(self) -> None:
        """The next frame has number 0."""
        self._next_seq = 0

    def audio_ms(self, data: bytes) -> float:
        """How much audio a frame brings, going by its length."""
        return self._samples(data) * 1000 / self.rate

    def read(self, data: bytes) -> Iterator[FrameItem]:
        """What a binary message means, in order: errors that are not fatal, the hole before
        the frame, the audio.

        The frame counts as seen when the iteration has ended: if the connection breaks while
        its items are being dealt with, the client has to send it again.

        Raises:
            ProtocolError: `bad_frame`.
        """
        try:
            seq, offset, capture_time_ms = decode_header(data)
        except FrameError as error:
            raise ProtocolError(ErrorCode.BAD_FRAME, str(error)) from error
        order = self._check_order(seq, offset)
        end_offset = offset + self._samples(data)
        if self._encoding is Encoding.CONTAINER:
            yield self._container(data, seq, offset)
            self._next_seq = (seq + 1) % _SEQ_MODULUS
            self._next_offset = end_offset
            return
        if self.audio_ms(data) > MAX_FRAME_MS:
            raise ProtocolError(
                ErrorCode.BAD_FRAME,
                f"audio frame is longer than {MAX_FRAME_MS} ms; send chunks of 20 to 200 ms",
            )
        content: tuple[FrameItem, ...]
        try:
            samples = decode_samples(data, self._encoding, self.channels)
            content = (AudioFrame(seq, offset, capture_time_ms, samples),)
        except FrameError as error:
            raise ProtocolError(ErrorCode.BAD_FRAME, str(error)) from error
        except SampleError as error:
            refused = ProtocolError(ErrorCode.BAD_SAMPLES, str(error))
            content = (refused, Hole(end_offset, "bad_samples"))
        yield from (*order, *content)
        self._next_seq = (seq + 1) % _SEQ_MODULUS
        self._next_offset = end_offset

    def _container(self, data: bytes, seq: int, offset: int) -> ContainerFrame:
        """Raises ProtocolError."""
        if offset != self._next_offset:
            raise ProtocolError(
                ErrorCode.BAD_FRAME,
                f"bytes {self._next_offset} to {offset} of the container are missing, and what "
                "comes after them cannot be understood; start a new session",
            )
        if len(data) == HEADER.size:
            raise ProtocolError(ErrorCode.BAD_FRAME, "the frame holds no bytes of the container")
        return ContainerFrame(seq, offset, data[HEADER.size :])

    def _samples(self, data: bytes) -> int:
        return max(0, len(data) - HEADER.size) // self._width

    def _check_order(self, seq: int, offset: int) -> tuple[FrameItem, ...]:
        missed_frames = (seq - self._next_seq) % _SEQ_MODULUS
        if missed_frames >= _SEQ_MODULUS // 2:
            raise ProtocolError(
                ErrorCode.BAD_FRAME,
                f"sequence number {seq} runs backwards or repeats, {self._next_seq} is next; "
                "number frames from 0, up by 1",
            )
        missed = offset - self._next_offset
        if missed < 0:
            raise ProtocolError(
                ErrorCode.BAD_FRAME,
                f"sample offset {offset} overlaps audio already sent, {self._next_offset} is next; "
                "count every sample once",
            )
        if missed * 1000 > MAX_GAP_MS * self.rate:
            raise ProtocolError(
                ErrorCode.BAD_FRAME,
                f"sample offset jumps from {self._next_offset} to {offset}, more than "
                f"{MAX_GAP_MS // 1000} s of audio; start a new session after a break",
            )
        if not missed_frames and not missed:
            return ()
        gap = ProtocolError(
            ErrorCode.SEQUENCE_GAP,
            f"{missed_frames} frames with {missed} samples are missing before frame {seq}; "
            "captions go on with silence in their place",
        )
        return (gap, Hole(offset, "gap")) if missed else (gap,)
