from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from streamer.client.transcript import Transcript
from streamer.recognition.channels.numbering import SessionNumbering
from streamer.recognition.contract import StartPoint
from streamer.server.native_view import wire_event
from streamer.session.report import Report
from streamer.transcript.events import (
    SegmentClosed,
    SessionEvent,
    SpeakersUpdate,
    SpeechBegan,
    TurnChanged,
    TurnEdge,
    WordsUpdate,
)
from streamer.transcript.ledger import Ledger
from tests.fakes import FakeWord


@dataclass
class Speaker:
    """A channel's recognizer: its own ledger, which knows of no other."""

    name: str
    clock: int = 0
    ledger: Ledger = field(default_factory=Ledger)

    def events(self, committed: int, tentative: int, *, closes: bool) -> list[SessionEvent]:
        told: list[SessionEvent] = []
        if self.ledger.open_segment is None:
            told.append(SpeechBegan(self.ledger.open(self.clock).id, self.clock))
        segment = self.ledger.open_segment
        assert segment is not None
        added = self.ledger.commit([self._word() for _ in range(committed)])
        guessed = [FakeWord("guess", self.clock, self.clock) for _ in range(tentative)]
        told.append(WordsUpdate(segment.id, added, self.ledger.set_tentative(guessed)))
        if closes:
            told.append(SegmentClosed(self.ledger.close(self.clock, None)))
        return told

    def told_apart(self, committed: int, chance: Random, *, closes: bool) -> list[SessionEvent]:
        """As `events`; people say the words, who are known the better the later it is."""
        told = self.events(committed, 0, closes=False)
        segment = self.ledger.open_segment
        assert segment is not None
        labels = tuple(chance.choice([None, 0, 1, 2]) for _ in segment.words)
        if self.ledger.set_speakers(labels):
            told.append(SpeakersUpdate(segment.id, segment.words[0].id, labels))
        if closes and len(labels) > 1:
            split = self.ledger.split(chance.randrange(1, len(labels)), None, labels[0])
            told.append(SegmentClosed(split, "speaker", split.id + 1))
        if closes:
            told.append(SegmentClosed(self.ledger.close(self.clock, None, chance.choice([0, 2]))))
        return told

    def _word(self) -> FakeWord:
        self.clock += 100
        return FakeWord(f"{self.name}{self.clock}", self.clock - 100, self.clock)


@given(
    st.lists(
        st.tuples(st.integers(0, 1), st.integers(0, 3), st.integers(0, 2), st.booleans()),
        max_size=40,
    )
)
def test_words_of_all_channels_are_numbered_in_the_order_of_events(
    turns: list[tuple[int, int, int, bool]],
) -> None:
    speakers = [Speaker("near"), Speaker("far")]
    numbering = SessionNumbering(StartPoint(word_id=7, segment_id=3))
    transcript = Transcript(7)  # it raises where ids leave the order, or a segment changes
    committed, segments = [], []
    for channel, n_committed, n_tentative, closes in turns:
        for event in speakers[channel].events(n_committed, n_tentative, closes=closes):
            numbered = numbering.numbered(event, channel)
            wire = wire_event(Report(numbered, 0.0, 0))
            assert wire is not None
            transcript.apply(wire)
            if isinstance(numbered, WordsUpdate):
                committed += [word.id for word in numbered.committed]
            elif isinstance(numbered, SegmentClosed):
                segments.append((numbered.segment.id, channel))
    assert committed == list(range(7, 7 + len(committed)))
    assert len({number for number, _ in segments}) == len(segments)
    for channel, speaker in enumerate(speakers):
        own = [word for one in transcript.segments if one.channel == channel for word in one.words]
        own += [word for one in transcript.open if one.channel == channel for word in one.committed]
        said = [word.text for word in speaker.ledger.words if word.text != "guess"]
        assert [word.text for word in own] == said


@given(
    st.lists(st.tuples(st.integers(0, 1), st.integers(0, 3), st.booleans()), max_size=30),
    st.integers(0, 1),
    st.randoms(use_true_random=False),
)
def test_each_channel_has_its_own_speakers(
    turns: list[tuple[int, int, bool]], known_voices: int, chance: Random
) -> None:
    speakers = [Speaker("near"), Speaker("far")]
    numbering = SessionNumbering(StartPoint(word_id=7), known_voices=known_voices)
    transcript = Transcript(7)
    late: Transcript | None = None
    for channel, n_committed, closes in turns:
        for event in speakers[channel].told_apart(n_committed, chance, closes=closes):
            wire = wire_event(Report(numbering.numbered(event, channel), 0.0, 0))
            assert wire is not None
            transcript.apply(wire)
            if late is not None:
                late.apply(wire)
        # Somebody begins to follow while segments are open.
        late = late or Transcript(transcript.next_word_id)
    first_label = (known_voices, known_voices + 1)
    for channel, speaker in enumerate(speakers):
        labels = [
            own if own is None or own < known_voices else 2 * (own - known_voices) + first
            for own, first in (
                (word.speaker, first_label[channel]) for word in speaker.ledger.words
            )
        ]
        for told in (transcript, late or transcript):
            own_words = [w for one in told.segments if one.channel == channel for w in one.words]
            own_words += [w for one in told.open if one.channel == channel for w in one.committed]
            assert [w.speaker for w in own_words] == labels[len(labels) - len(own_words) :]


def test_a_turn_has_one_id_from_its_beginning_to_its_end() -> None:
    numbering = SessionNumbering()
    edges: list[tuple[TurnEdge, int, int]] = [
        ("start", 0, 0),
        ("start", 0, 1),
        ("eager_end", 0, 0),
        ("end", 0, 0),
        ("start", 1, 0),
        ("end", 0, 1),
    ]
    told = [
        numbering.numbered(TurnChanged(edge, own_id, 0, 0, (), 0.9), channel)
        for edge, own_id, channel in edges
    ]
    ids = [(one.turn_id, one.channel) for one in told if isinstance(one, TurnChanged)]
    assert ids == [(0, 0), (1, 1), (0, 0), (0, 0), (2, 0), (1, 1)]
