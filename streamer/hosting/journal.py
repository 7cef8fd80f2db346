"""Writes down what a session has committed, before anybody is told."""

from __future__ import annotations

from collections import deque
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
        self, store: SessionStore, session_id: str, seq: int = 0, start: StartPoint = BEGINNING
    ) -> None:
        """
        Args:
            seq: number of the newest event so far.
        """
        self._store = store
        self._session_id = session_id
        self._seq = seq
        self._position = start.sample
        self._lost_samples = start.lost_samples
        self._losses: deque[AudioLost] = deque()
        """Behind the position."""
        self._in_speech = False

    @property
    def position(self) -> int | None:
        """All audio before this sample is captioned or silent, and that is on disk; None if the
        store is off."""
        return self._position if self._store.usable else None

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
            self._in_speech = True
        elif isinstance(event, WordsUpdate):
            self._in_speech = True
            if event.committed:
                words = event.committed
                await self._advance(words[-1].end_sample, words=words)
        elif isinstance(event, SegmentClosed):
            self._in_speech = False
            segment = event.segment
            end = StoredEnd(
                segment.id,
                segment.start_sample,
                segment.end_sample,
                event.cause,
                report.seq,
                segment.speaker,
            )
            if segment.words:
                await self._advance(
                    segment.end_sample, end=end, next_word_id=segment.words[-1].id + 1
                )
            else:
                await self._advance(segment.end_sample)
        elif isinstance(event, Finalized | AudioPaused):
            self._in_speech = False
            await self._advance(event.end_sample)
        elif isinstance(event, StepDone) and not self._in_speech:
            silent_until = event.processed_sample - _BEFORE_SPEECH
            if silent_until - self._position >= _SILENCE_EVERY:
                await self._advance(silent_until)

    async def _advance(
        self,
        position: int,
        words: tuple[Word, ...] = (),
        end: StoredEnd | None = None,
        next_word_id: int | None = None,
    ) -> None:
        position = max(position, self._position)
        while self._losses and self._losses[0].start_sample < position:
            self._lost_samples += self._losses.popleft().n_samples
        await self._store.write(
            self._session_id, self._seq, position, self._lost_samples, words, end, next_word_id
        )
        self._position = position

    def forget(self) -> None:
        """Nobody will go on with the session. Returns at once."""
        self._store.delete(self._session_id)
