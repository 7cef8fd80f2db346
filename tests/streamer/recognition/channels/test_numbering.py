from __future__ import annotations

from dataclasses import dataclass, field

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
