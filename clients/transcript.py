"""The client's copy of the word ledger, built from events, and the errors that end it."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace

from streamer.protocol.joining import joined
from streamer.protocol.messages import (
    LanguageEvent,
    SegmentEvent,
    ServerEvent,
    WordsEvent,
)
from streamer.protocol.speakers import SpeakersEvent
from streamer.protocol.words import SoundEvent, WireEmotion, WireWord


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
    channel: int = 0
    speaker: int | None = None
    """Who said all of it, from 0; None: not known, or not asked for."""


@dataclass(frozen=True, slots=True)
class OpenSegment:
    """What is being said in a channel."""

    id: int
    channel: int
    committed: tuple[WireWord, ...]
    tentative: tuple[WireWord, ...]


class Transcript:
    """Finished segments, then those that are being spoken, at most one in each channel: their
    committed words, then their tentative tails."""

    def __init__(self, first_word_id: int = 0) -> None:
        """
        Args:
            first_word_id: more than 0 for who began to follow in the middle; a segment that was
                open then has words from before it.
        """
        self._segments: list[TranscriptSegment] = []
        self._open: dict[int, OpenSegment] = {}
        self._sounds: dict[tuple[int, float], SoundEvent] = {}
        self._first_word_id = self._next_word_id = first_word_id
        self._next_segment_id = 0
        self._n_speakers = 0
        self.language: str | None = None
        """Its code, where it was found out."""

    @property
    def segments(self) -> tuple[TranscriptSegment, ...]:
        return tuple(self._segments)

    @property
    def sounds(self) -> tuple[SoundEvent, ...]:
        """Those that are no speech, in the order in which they were told; `end_ms` is None for what
        goes on, or went on to the end."""
        return tuple(self._sounds.values())

    @property
    def committed(self) -> tuple[WireWord, ...]:
        """Words that will not change any more, final ones first."""
        final = (word for segment in self._segments for word in segment.words)
        return (*final, *self.spoken)

    @property
    def open(self) -> tuple[OpenSegment, ...]:
        """The segments that are being spoken, in the order in which they began."""
        return tuple(self._open.values())

    @property
    def spoken(self) -> tuple[WireWord, ...]:
        """Committed words of the segments that are being spoken."""
        return tuple(word for segment in self.open for word in segment.committed)

    @property
    def tentative(self) -> tuple[WireWord, ...]:
        return tuple(word for segment in self.open for word in segment.tentative)

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
        return (*self.committed, *self.tentative)

    @property
    def text(self) -> str:
        """What is certain: final and committed words."""
        return joined(word.text for word in self.committed)

    def copy(self) -> Transcript:
        """One that later events do not change."""
        other = copy(self)
        other._segments, other._open = list(self._segments), dict(self._open)
        other._sounds = dict(self._sounds)
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
        elif isinstance(event, SoundEvent):
            self._sounds[event.channel, event.start_ms] = event
        elif isinstance(event, LanguageEvent):
            self.language = event.language

    def interrupt(self) -> None:
        """The session was lost: what was committed of its open segments is all there will be."""
        for cut in self.open:
            if cut.committed:
                words = tuple(word.model_copy(update={"state": "final"}) for word in cut.committed)
                self._add(
                    TranscriptSegment(
                        cut.id,
                        words[0].start_ms,
                        words[-1].end_ms,
                        joined(word.text for word in words),
                        words,
                        None,
                        cut.channel,
                        words[0].speaker if len({word.speaker for word in words}) == 1 else None,
                    )
                )
        self._open.clear()

    def _apply_words(self, event: WordsEvent) -> None:
        committed = [word for word in event.words if word.state != "tentative"]
        tentative = event.words[len(committed) :]
        if any(word.state != "tentative" for word in tentative):
            raise TranscriptError("a committed word comes after a tentative one")
        spoken = self._open.get(event.channel)
        if spoken is not None and spoken.committed and event.segment_id != spoken.id:
            raise TranscriptError(f"segment {event.segment_id} begins before {spoken.id} ended")
        for i, word in enumerate(event.words):
            if word.id != self._next_word_id + i:
                raise TranscriptError(
                    f"word {word.id} ({word.text!r}) should be {self._next_word_id + i}"
                )
        before = spoken.committed if spoken is not None else ()
        self._open[event.channel] = OpenSegment(
            event.segment_id, event.channel, (*before, *committed), tentative
        )
        self._note_speakers(event.words)
        self._next_word_id += len(committed)

    def _apply_segment(self, event: SegmentEvent) -> None:
        spoken = self._open.get(event.channel)
        committed = spoken.committed if spoken is not None else ()
        told = [_unchanging(word) for word in event.words if word.id >= self._first_word_id]
        # Where somebody else goes on, the words behind are those of the next segment.
        n_words = len(told) if event.cause == "speaker" else len(committed)
        if told != [_unchanging(word) for word in committed[:n_words]]:
            raise TranscriptError(
                f"segment {event.segment_id} reads {event.text!r}, but "
                f"{joined(word.text for word in committed)!r} was committed"
            )
        self._open.pop(event.channel, None)
        if event.words:
            self._add(
                TranscriptSegment(
                    event.segment_id,
                    event.start_ms,
                    event.end_ms,
                    event.text,
                    event.words,
                    event.emotion,
                    event.channel,
                    event.speaker,
                )
            )
        self._note_speakers(event.words)
        behind = committed[n_words:]
        if behind:
            # A server of one channel may leave out which that is.
            next_id = event.next_segment_id or event.segment_id + 1
            following = OpenSegment(next_id, event.channel, behind, ())
            self._open[event.channel] = following

    def _add(self, segment: TranscriptSegment) -> None:
        self._segments.append(segment)
        self._next_segment_id = max(self._next_segment_id, segment.id + 1)

    def _apply_speakers(self, event: SpeakersEvent) -> None:
        spoken = self._open.get(event.channel)
        if spoken is None:
            return
        # Counted from the newest: who began to follow in the middle may lack the first ones, and
        # ids of one channel's words have gaps where the other's were committed.
        told = event.speakers[-len(spoken.committed) :] if spoken.committed else ()
        before = spoken.committed[: len(spoken.committed) - len(told)]
        words = tuple(
            word.model_copy(update={"speaker": label})
            for word, label in zip(spoken.committed[len(before) :], told, strict=True)
        )
        self._open[event.channel] = replace(spoken, committed=(*before, *words))
        self._note_speakers(words)

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
