"""One ledger order over several channels, each of whose recognizers counts for itself."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from streamer.recognition.contract import BEGINNING, StartPoint
from streamer.transcript.events import (
    AudioPaused,
    Finalized,
    SegmentClosed,
    SessionEvent,
    SpeakersUpdate,
    SpeechBegan,
    StepDone,
    TurnChanged,
    WordsUpdate,
)
from streamer.transcript.ledger import Word


@dataclass
class _OpenSegment:
    id: int
    committed: list[Word] = field(default_factory=list)


class SessionNumbering:
    """Gives the channels' segments, words, turns and speakers the numbers of one session, and tells
    whose they are.

    A segment gets its id when it opens, a word when it is committed: ids grow with the order of
    events, those of words without gaps. Tentative words go on from the newest committed one, and
    give their ids up to whatever is committed first. Speakers' labels are dealt out to the channels
    in turn, so that no two channels share one, except of voices that are known beforehand.
    """

    def __init__(
        self, start: StartPoint = BEGINNING, *, channels: int = 2, known_voices: int = 0
    ) -> None:
        """
        Args:
            start: its ids are the first ones.
            known_voices: they have the first labels, whichever channel they are heard in.
        """
        self._n_channels = channels
        self._n_known = known_voices
        self._next_word_id = start.word_id
        self._next_segment_id = start.segment_id
        self._next_turn_id = start.word_id  # no session has more turns than words
        self._open: dict[int, _OpenSegment] = {}
        self._turns: dict[int, tuple[int, int]] = {}
        """The newest of each channel: its own id, and the session's."""

    def numbered(self, event: SessionEvent, channel: int) -> SessionEvent:  # noqa: PLR0911
        """The channel's next event, as one of the session."""
        match event:
            case SpeechBegan():
                return replace(event, segment_id=self._segment(channel).id, channel=channel)
            case WordsUpdate():
                return self._words(event, channel)
            case SegmentClosed():
                return self._closed(event, channel)
            case TurnChanged():
                return replace(event, turn_id=self._turn(event.turn_id, channel), channel=channel)
            case SpeakersUpdate():
                return self._speakers(event, channel)
            case Finalized() | AudioPaused() | StepDone():
                return event  # of all channels
            case _:
                return replace(event, channel=channel)

    def _segment(self, channel: int) -> _OpenSegment:
        """The open one; a segment that was cut for its length is followed by one unannounced."""
        if channel not in self._open:
            self._open[channel] = _OpenSegment(self._next_segment_id)
            self._next_segment_id += 1
        return self._open[channel]

    def _turn(self, own_id: int, channel: int) -> int:
        newest = self._turns.get(channel)
        if newest is None or newest[0] != own_id:
            newest = self._turns[channel] = own_id, self._next_turn_id
            self._next_turn_id += 1
        return newest[1]

    def _words(self, event: WordsUpdate, channel: int) -> WordsUpdate:
        segment = self._segment(channel)
        committed = self._from_next(event.committed, segment.id, channel)
        self._next_word_id += len(committed)
        segment.committed.extend(committed)
        tentative = self._from_next(event.tentative, segment.id, channel)
        return WordsUpdate(segment.id, committed, tentative, channel)

    def _from_next(
        self, words: tuple[Word, ...], segment_id: int, channel: int
    ) -> tuple[Word, ...]:
        return tuple(
            replace(
                word,
                id=word_id,
                segment_id=segment_id,
                speaker=self._label(word.speaker, channel),
            )
            for word_id, word in enumerate(words, self._next_word_id)
        )

    def _closed(self, event: SegmentClosed, channel: int) -> SegmentClosed:
        opened = self._segment(channel)
        del self._open[channel]
        whole = event.cause != "speaker"
        n_words = len(opened.committed) if whole else len(event.segment.words)
        behind = opened.committed[n_words:]
        if behind:  # somebody else said them
            self._segment(channel).committed.extend(behind)
        speaker = self._label(event.segment.speaker, channel)
        words = tuple(
            replace(word, id=told.id, segment_id=opened.id, speaker=speaker)
            for word, told in zip(event.segment.words, opened.committed[:n_words], strict=True)
        )
        return SegmentClosed(
            replace(event.segment, id=opened.id, words=words, channel=channel, speaker=speaker),
            event.cause,
            self._segment(channel).id if behind else None,
        )

    def _speakers(self, event: SpeakersUpdate, channel: int) -> SpeakersUpdate:
        segment = self._segment(channel)
        labels = tuple(self._label(label, channel) for label in event.speakers)
        return SpeakersUpdate(segment.id, segment.committed[0].id, labels, channel)

    def _label(self, own: int | None, channel: int) -> int | None:
        if own is None or own < self._n_known:
            return own
        return self._n_known + (own - self._n_known) * self._n_channels + channel
