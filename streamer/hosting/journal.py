"""Keeps up how far a session is captioned; with a store, writes down what it has committed before
anybody is told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from streamer.audio.clock import SAMPLE_RATE
from streamer.hosting.session_store import SessionStore
from streamer.hosting.stored_session import StoredEnd
from streamer.recognition.contract import BEGINNING, StartPoint
from streamer.session.report import Report
from streamer.transcript.events import (
    AudioLost,
    AudioPaused,
    Finalized,
    SegmentClosed,
    SpeechBegan,
    StepDone,
    WordsUpdate,
)
from streamer.transcript.ledger import Word

_BEFORE_SPEECH: Final = SAMPLE_RATE
"""Silence that is heard again after a break: speech begins a little before it is noticed."""
_SILENCE_EVERY: Final = SAMPLE_RATE
"""How often the position is written while nobody speaks."""


class Journal:
    """One session's."""

    def __init__(
        self,
        store: SessionStore | None,
        session_id: str,
        seq: int = 0,
        starts: Sequence[StartPoint] = (BEGINNING,),
    ) -> None:
        """
        Args:
            store: None keeps all in memory.
            seq: number of the newest event so far.
            starts: of its channels.
        """
        self._store = store
        self._session_id = session_id
        self._seq = seq
        self._positions = [start.sample for start in starts]
        self.lost_samples = sum(start.lost_samples for start in starts)
        """Before the positions."""
        self._losses: list[AudioLost] = []
        """Behind the position of their channel."""
        self._in_speech: set[int] = set()
        """Channels."""
        self._left = False

    @property
    def in_speech(self) -> bool:
        """Whether a segment is open, in whatever channel."""
        return bool(self._in_speech)

    @property
    def positions(self) -> tuple[int, ...]:
        """For each channel: all its audio before this sample is captioned, or silent."""
        return tuple(self._positions)

    @property
    def position(self) -> int | None:
        """All audio before this sample is captioned or silent, in all channels, and that is on
        disk if there is a store; None if that is off."""
        return min(self._positions) if self._store is None or self._store.usable else None

    async def write(self, report: Report) -> None:
        """Returns when all of the event that has to be kept is on disk.

        Args:
            report: numbered, if it will be told.
        """
        event = report.event
        self._seq = max(self._seq, report.seq)
        if isinstance(event, AudioLost):
            self._losses.append(event)
        elif isinstance(event, SpeechBegan):
            self._in_speech.add(event.channel)
        elif isinstance(event, WordsUpdate):
            self._in_speech.add(event.channel)
            if event.committed:
                reached = {event.channel: event.committed[-1].end_sample}
                await self._advance(reached, words=event.committed)
        elif isinstance(event, SegmentClosed):
            self._in_speech.discard(event.channel)
            segment = event.segment
            end = StoredEnd.of(event, report.seq)
            reached = {event.channel: segment.end_sample}
            if segment.words:
                await self._advance(
                    reached,
                    end=end,
                    next_word_id=segment.words[-1].id + 1,
                    next_segment_id=event.next_segment_id,
                )
            else:
                await self._advance(reached)
        elif isinstance(event, Finalized | AudioPaused):
            self._in_speech.clear()
            await self._advance(dict.fromkeys(range(len(self._positions)), event.end_sample))
        elif isinstance(event, StepDone):
            silent_until = event.processed_sample - _BEFORE_SPEECH
            silent = {
                channel: silent_until
                for channel, position in enumerate(self._positions)
                if channel not in self._in_speech and silent_until - position >= _SILENCE_EVERY
            }
            if silent:
                await self._advance(silent)

    async def _advance(
        self,
        reached: dict[int, int],
        words: tuple[Word, ...] = (),
        end: StoredEnd | None = None,
        next_word_id: int | None = None,
        next_segment_id: int | None = None,
    ) -> None:
        positions = [
            max(position, reached.get(channel, position))
            for channel, position in enumerate(self._positions)
        ]
        passed = [one for one in self._losses if one.start_sample < positions[one.channel]]
        self._losses = [one for one in self._losses if one not in passed]
        self.lost_samples += sum(one.n_samples for one in passed)
        (channel, *_) = reached
        if self._store is not None:
            await self._store.write(
                self._session_id,
                self._seq,
                positions,
                self.lost_samples,
                words,
                end,
                channel,
                next_word_id,
                next_segment_id,
            )
        self._positions = positions

    def leave(self) -> None:
        """Another server will go on with the session: what is on disk stays."""
        self._left = True

    async def release(self) -> None:
        """It may do so now."""
        if self._store is not None:
            await self._store.release(self._session_id)

    def forget(self) -> None:
        """Nobody will go on with the session, unless another server does. Returns at once."""
        if self._store is not None and not self._left:
            self._store.delete(self._session_id)
