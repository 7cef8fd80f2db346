"""Where a client stands: what it has said, what it has heard, and how that goes on after a cut.
No I/O here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from streamer.audio.clock import SAMPLE_RATE
from streamer.audio.samples import Sound, channel_samples, mono_samples
from streamer.client.resuming.renumbering import Renumbering
from streamer.client.resuming.resend_buffer import Chunk, Command, ResendBuffer
from streamer.client.transcript import Transcript
from streamer.protocol.frames import HEADER, encode_container_frame, encode_frame
from streamer.protocol.messages import (
    MAX_CONTEXT_CHARS,
    MAX_FRAME_MS,
    MAX_GAP_MS,
    ByeEvent,
    ConfigureMessage,
    Encoding,
    ErrorCode,
    ErrorEvent,
    FinalizeMessage,
    LatencyEvent,
    LossEvent,
    ReadyEvent,
    ResumeMessage,
    SegmentEvent,
    ServerEvent,
    SpeechEvent,
    StartMessage,
    StopMessage,
    WordsEvent,
)
from streamer.protocol.moves import MoveEvent

_CONTINUABLE: Final = frozenset(
    {
        ErrorCode.IDLE_TIMEOUT,  # this machine slept
        ErrorCode.SESSION_EXPIRED,
        ErrorCode.SHUTTING_DOWN,
        ErrorCode.TOO_MANY_SESSIONS,
    }
)
"""Errors on the way back to the server after which a session can go on, or a new one."""
_WIDTHS: Final = {
    Encoding.PCM_S16LE: (2, "<i2"),
    Encoding.PCM_F32LE: (4, "<f4"),
    Encoding.CONTAINER: (1, "u1"),
}
_BEFORE_SPEECH_MS: Final = 1_000.0
"""Speech begins at most so long before it is told."""
_WAITING: Final = frozenset({ErrorCode.IDLE_TIMEOUT, ErrorCode.TOO_MANY_SESSIONS})
"""Those after which the session itself waits to be resumed."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Audio, in samples of all that was sent or skipped, that no session will caption."""

    start_sample: int
    end_sample: int
    channel: int = 0


class ResumableState:
    """A session over all its connections, and over new sessions where the server lost it."""

    def __init__(self, start: StartMessage, keep_s: float) -> None:
        self.start = start
        self.transcript = Transcript()
        self.buffer = ResendBuffer(round(keep_s * start.sample_rate))
        self.gaps: list[Gap] = []
        self.lost_samples = 0
        self.ready: ReadyEvent | None = None
        self.bye: ByeEvent | None = None
        self.refusal: ErrorEvent | None = None
        """The fatal error of the newest connection."""
        self.n_connections = 0
        """That became ready so far."""
        self._session: ReadyEvent | None = None
        """Of the session that can be resumed."""
        self._stopped = False
        self._end_offset = 0
        self._base_offset = 0
        self._committed_ms = [0.0] * start.channels
        self._speaking: set[int] = set()
        """Channels in which a segment is open."""
        self._renumbering = Renumbering()
        self._last_seq = 0

    @property
    def may_resume(self) -> bool:
        """Whether the server offers it."""
        return self.ready is not None and self.ready.resume_token is not None

    @property
    def session_id(self) -> str | None:
        """Of the session that can be resumed, if there is one."""
        return None if self._session is None else self._session.session_id

    def chunks(self, sound: Sound, capture_time_ms: float | None) -> Iterator[Chunk]:
        """Cut audio into pieces that fit a message, as the next to be sent.

        Raises:
            TypeError, ValueError: this is no sound, see `mono_samples` and `channel_samples`.
        """
        rate = self.start.sample_rate
        channels = self.start.channels
        width, byte_type = _WIDTHS[self.start.encoding]
        longest = MAX_FRAME_MS * rate // 1000
        samples: npt.NDArray[np.float32 | np.uint8]
        if self._in_container:
            samples = _bytes(sound)
        elif channels == 1:
            samples = mono_samples(sound, byte_type)
        else:
            samples = channel_samples(sound, channels, byte_type)
            width *= channels
        if self.ready is not None:
            longest = min(longest, (self.ready.max_message_bytes - HEADER.size) // width)
        for at in range(0, len(samples), longest):
            stamp = 0.0 if capture_time_ms is None else capture_time_ms + at * 1000 / rate
            # The caller may reuse its buffer, and we may need the samples again.
            chunk = Chunk(self._end_offset, samples[at : at + longest].copy(), stamp)
            self._end_offset = chunk.end
            yield chunk

    def skip(self, n_samples: int) -> None:
        self._end_offset += n_samples

    def command(self, message: ConfigureMessage | FinalizeMessage | StopMessage) -> Command:
        """A command behind all audio so far."""
        self._stopped |= isinstance(message, StopMessage)
        if isinstance(message, ConfigureMessage):  # for a session that may have to follow
            settings = message.model_dump(exclude={"type"}, exclude_none=True)
            self.start = StartMessage.model_validate(self.start.model_dump() | settings)
        return Command(self._end_offset, message)

    def frame(self, seq: int, chunk: Chunk) -> bytes:
        """As it goes to the session that runs now."""
        offset = chunk.offset - self._base_offset
        stamp = chunk.capture_time_ms
        if self._in_container:
            return encode_container_frame(seq, offset, chunk.samples.tobytes())
        samples = chunk.samples.astype(np.float32, copy=False)
        return encode_frame(seq, offset, stamp, samples, self.start.encoding)

    def handshake(self) -> StartMessage | ResumeMessage:
        """The first message on the next connection."""
        missing_ms = self.buffer.missing_samples * 1000 / self.start.sample_rate
        if missing_ms > MAX_GAP_MS and not self._in_container:
            self._lose_session()  # it would not bear the jump
        if self._session is not None:
            return ResumeMessage(
                session_id=self._session.session_id,
                resume_token=self._session.resume_token or "",
                last_seq=self._last_seq,
            )
        said = f"{self.start.context} {self.transcript.text}".strip()
        return self.start.model_copy(update={"context": said[-MAX_CONTEXT_CHARS:]})

    def on_ready(self, ready: ReadyEvent) -> list[ServerEvent]:
        """A connection is ready; gives what that means to the user."""
        events: list[ServerEvent] = [ready]
        if ready.resumed:
            offset = self._base_offset + ready.acknowledged_offset
            self._acknowledge(offset)
            self.buffer.rewind(offset)
        elif self.n_connections > 0:
            events += self._begin_new_session()
        self.ready = ready
        self._session = ready if ready.resume_token is not None else None
        self.n_connections += 1
        return events

    def on_event(self, event: ServerEvent) -> ServerEvent | None:
        """Fold an event in; gives it as the user should see it, if at all.

        Raises:
            TranscriptError: it contradicts what was committed before.
        """
        seq = getattr(event, "seq", 0)
        if 0 < seq <= self._last_seq:
            return None
        if isinstance(event, MoveEvent):
            self._on_move(event)
            return None
        event = self._renumbering.apply(event)
        self.transcript.apply(event)
        self._last_seq = max(self._last_seq, seq)
        if isinstance(event, SpeechEvent):
            self._speaking.add(event.channel)
        elif isinstance(event, WordsEvent | SegmentEvent):
            self._note_committed(event)
        elif isinstance(event, LossEvent):
            self.lost_samples += event.lost_samples
        elif isinstance(event, LatencyEvent) and event.acknowledged_offset is not None:
            self._acknowledge(self._base_offset + event.acknowledged_offset)
        elif isinstance(event, ErrorEvent) and event.fatal:
            self.refusal = event
        elif isinstance(event, ByeEvent):
            self.bye = event
        return None if self.can_continue else event

    def _on_move(self, event: MoveEvent) -> None:
        """Another server has the session; the connection closes."""
        if self._session is not None:
            self._session = self._session.model_copy(update={"session_id": event.session_id})

    @property
    def can_continue(self) -> bool:
        """Whether the server refused, but a new session, now or later, can go on."""
        refusal = self.refusal
        if refusal is None or refusal.code not in _CONTINUABLE or not self.may_resume:
            return False
        if self._in_container and refusal.code not in _WAITING:
            return False  # from its middle on nobody understands it
        # A server that ends has still captioned all that it had.
        all_said = self._stopped and self.buffer.unacknowledged_samples == 0
        return refusal.code is not ErrorCode.SHUTTING_DOWN or not all_said

    def on_disconnect(self) -> None:
        """The connection is over, the next one may come."""
        if self.refusal is not None and self.refusal.code not in _WAITING:
            self._lose_session()
        self.refusal = self.bye = None

    @property
    def _in_container(self) -> bool:
        return self.start.encoding is Encoding.CONTAINER

    def _acknowledge(self, offset: int) -> None:
        self.buffer.acknowledge(offset)
        if self._in_container:  # times of words tell nothing about bytes
            self.buffer.release(offset)

    def _lose_session(self) -> None:
        """What was committed stays; the rest will be said again to a new session."""
        self._session = None
        self._last_seq = 0
        self.transcript.interrupt()

    def _begin_new_session(self) -> list[ServerEvent]:
        """A new session gets the audio behind the last committed word."""
        rate = self.start.sample_rate
        ends = [round(committed_ms * rate / 1000) for committed_ms in self._committed_ms]
        self.buffer.rewind(min(ends))
        next_offset = self.buffer.next_offset
        self._base_offset = self._end_offset if next_offset is None else next_offset
        events: list[ServerEvent] = []
        for channel, committed_end in enumerate(ends):
            if self._base_offset > committed_end:
                self.gaps.append(Gap(committed_end, self._base_offset, channel))
                lost = round((self._base_offset - committed_end) * SAMPLE_RATE / rate)
                self.lost_samples += lost
                start_ms = committed_end * 1000 / rate
                events.append(
                    LossEvent(start_ms=start_ms, lost_samples=lost, reason="gap", channel=channel)
                )
            elif self._base_offset < committed_end:  # another channel had said less
                self.buffer.mute(channel, committed_end)
        self._speaking.clear()
        self._renumbering = Renumbering(
            ms=self._base_offset * 1000 / rate,
            words=self.transcript.next_word_id,
            segments=self.transcript.next_segment_id,
            lost_samples=self.lost_samples,
            speakers=self._labels_given,
            known_voices=len(self.start.known_voices),
        )
        return events

    @property
    def _labels_given(self) -> int:
        """To voices that were not known, by sessions so far: channels take turns with them, and
        each goes on with its own."""
        given = max(0, self.transcript.n_speakers - len(self.start.known_voices))
        return -(-given // self.start.channels) * self.start.channels

    def _note_committed(self, event: WordsEvent | SegmentEvent) -> None:
        committed = [word.end_ms for word in event.words if word.state != "tentative"]
        self._speaking.add(event.channel)
        if isinstance(event, SegmentEvent):
            committed.append(event.end_ms)
            self._speaking.discard(event.channel)
        newest_ms = max(committed, default=0.0)
        for channel, before_ms in enumerate(self._committed_ms):
            if channel == event.channel:
                self._committed_ms[channel] = max(before_ms, newest_ms)
            elif channel not in self._speaking:  # channels are heard side by side
                self._committed_ms[channel] = max(before_ms, newest_ms - _BEFORE_SPEECH_MS)
        if not self._in_container:
            self.buffer.release(round(min(self._committed_ms) * self.start.sample_rate / 1000))


def _bytes(sound: Sound) -> npt.NDArray[np.uint8]:
    """Raises TypeError."""
    if not isinstance(sound, bytes | bytearray | memoryview):
        raise TypeError("audio in a container is sent as the bytes that it is made of")
    return np.frombuffer(sound, np.uint8)
