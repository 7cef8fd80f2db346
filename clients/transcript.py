"""The client's copy of the word ledger, built from events, and the errors that end it."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass

from streamer.protocol.joining import joined
from streamer.protocol.messages import (
    LanguageEvent,
    SegmentEvent,
    ServerEvent,
    WordsEvent,
)
from streamer.protocol.speakers import SpeakersEvent
from streamer.protocol.words import WireEmotion, WireWord


class TranscriptError(RuntimeError):
    """The server broke its promise: a committed word would change, vanish or come twice."""


@dataclass(frozen=True, slots=True)
class TranscriptSegment:
    """A finished segment; times in milliseconds of session audio."""

    id: int
    start_ms: float
    end_ms: float
    text: str
    words: tuple[WireWord, ...]
    emotion: WireEmotion | None
    speaker: int | None = None
    """Who said all of it, from 0; None: not known, or not asked for."""


class Transcript:
    """Finished segments, then committed words, then the tentative tail."""

    def __init__(self, first_word_id: int = 0) -> None:
        """
        Args:
            first_word_id: more than 0 for who began to follow in the middle.
        """
        self._segments: list[TranscriptSegment] = []
        self._committed: list[WireWord] = []
        self._tentative: tuple[WireWord, ...] = ()
        self._open_segment_id: int | None = None
        self._next_word_id = first_word_id
        self._next_segment_id = 0
        self._n_speakers = 0
        self.language: str | None = None
        """Its code, where it was found out."""

    @property
    def segments(self) -> tuple[TranscriptSegment, ...]:
        return tuple(self._segments)

    @property
    def committed(self) -> tuple[WireWord, ...]:
        """Words that will not change any more, final ones first."""
        final = (word for segment in self._segments for word in segment.words)
        return (*final, *self._committed)

    @property
    def spoken(self) -> tuple[WireWord, ...]:
        """Committed words of the segment that is being spoken."""
        return tuple(self._committed)

    @property
    def tentative(self) -> tuple[WireWord, ...]:
        return self._tentative

    @property
    def next_word_id(self) -> int:
        """Of the next word that will be committed."""
        return self._next_word_id

    @property
    def next_segment_id(self) -> int:
        return self._next_segment_id

    @property
    def n_speakers(self) -> int:
        """Labels that were told so far."""
        return self._n_speakers

    @property
    def words(self) -> tuple[WireWord, ...]:
        return (*self.committed, *self._tentative)

    @property
    def text(self) -> str:
        """What is certain: final and committed words."""
        return joined(word.text for word in self.committed)

    def copy(self) -> Transcript:
        """One that later events do not change."""
        other = copy(self)
        other._segments, other._committed = list(self._segments), list(self._committed)
        return other

    def apply(self, event: ServerEvent) -> None:
        """Fold one event in; events without words change nothing.

        Raises:
            TranscriptError: the event contradicts what was committed before.
        """
        if isinstance(event, WordsEvent):
            self._apply_words(event)
        elif isinstance(event, SegmentEvent):
            self._apply_segment(event)
        elif isinstance(event, SpeakersEvent):
            self._apply_speakers(event)
        elif isinstance(event, LanguageEvent):
            self.language = event.language

    def interrupt(self) -> None:
        """The session was lost: what was committed of its open segment is all there will be."""
        if self._committed and self._open_segment_id is not None:
            words = tuple(word.model_copy(update={"state": "final"}) for word in self._committed)
            text = joined(word.text for word in words)
            speaker = words[0].speaker if len({word.speaker for word in words}) == 1 else None
            start_ms, end_ms = words[0].start_ms, words[-1].end_ms
            self._segments.append(
                TranscriptSegment(
                    self._open_segment_id, start_ms, end_ms, text, words, None, speaker
                )
            )
            self._next_segment_id = self._open_segment_id + 1
        self._committed, self._tentative, self._open_segment_id = [], (), None

    def _apply_words(self, event: WordsEvent) -> None:
        committed = [word for word in event.words if word.state != "tentative"]
        tentative = event.words[len(committed) :]
        if any(word.state != "tentative" for word in tentative):
            raise TranscriptError("a committed word comes after a tentative one")
        if self._committed and event.segment_id != self._open_segment_id:
            raise TranscriptError(
                f"segment {event.segment_id} begins before {self._open_segment_id} ended"
            )
        for i, word in enumerate(event.words):
            if word.id != self._next_word_id + i:
                raise TranscriptError(
                    f"word {word.id} ({word.text!r}) should be {self._next_word_id + i}"
                )
        self._open_segment_id = event.segment_id
        self._note_speakers(event.words)
        self._committed.extend(committed)
        self._next_word_id += len(committed)
        self._tentative = tentative

    def _apply_segment(self, event: SegmentEvent) -> None:
        # Where somebody else goes on, the words behind are those of the next segment.
        n_words = len(event.words) if event.cause == "speaker" else len(self._committed)
        said = [_unchanging(word) for word in self._committed[:n_words]]
        if [_unchanging(word) for word in event.words] != said:
            raise TranscriptError(
                f"segment {event.segment_id} reads {event.text!r}, but "
                f"{joined(word.text for word in self._committed)!r} was committed"
            )
        if event.words:
            self._next_segment_id = event.segment_id + 1
            self._segments.append(
                TranscriptSegment(
                    event.segment_id,
                    event.start_ms,
                    event.end_ms,
                    event.text,
                    event.words,
                    event.emotion,
                    event.speaker,
                )
            )
        self._note_speakers(event.words)
        self._committed, self._tentative = self._committed[n_words:], ()
        self._open_segment_id = event.segment_id + 1 if self._committed else None

    def _apply_speakers(self, event: SpeakersEvent) -> None:
        told = dict(enumerate(event.speakers, event.first_word_id))
        self._committed = [
            word.model_copy(update={"speaker": told.get(word.id, word.speaker)})
            for word in self._committed
        ]
        self._note_speakers(self._committed)

    def _note_speakers(self, words: Sequence[WireWord]) -> None:
        labels = (word.speaker + 1 for word in words if word.speaker is not None)
        self._n_speakers = max(self._n_speakers, *labels, 0)


def _unchanging(word: WireWord) -> tuple[int, str, float, float]:
    return word.id, word.text, word.start_ms, word.end_ms


class ClientError(Exception):
    """The session is over. `transcript` holds what was received before."""

    def __init__(self, message: str, transcript: Transcript) -> None:
        super().__init__(message)
        self.transcript = transcript


class ServerRefusedError(ClientError):
    """The server ended the session with an error event; `code` is stable, see PROTOCOL.md."""

    def __init__(self, code: str, message: str, transcript: Transcript) -> None:
        super().__init__(f"{code}: {message}", transcript)
        self.code = code
        self.message = message


class ConnectionLostError(ClientError):
    """The server could not be reached, or went and did not come back."""
