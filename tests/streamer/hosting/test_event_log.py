from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.client.transcript import Transcript
from streamer.hosting.event_log import EventLog, EventsGoneError
from streamer.server.native_view import wire_event
from streamer.session.report import Report
from streamer.transcript.events import (
    AudioLost,
    EmotionUpdate,
    SegmentClosed,
    SessionEvent,
    SoundHeard,
    SpeakersUpdate,
    TurnChanged,
    WordsUpdate,
)
from streamer.transcript.ledger import Emotion, Ledger
from tests.fakes import FakeWord

HAPPY, SAD = Emotion("happy", {}), Emotion("sad", {})


def spoken(
    plan: Iterable[tuple[int, int, bool, bool]], *, by_two: bool = False
) -> Iterator[SessionEvent]:
    """What a session says: per step so many words committed, so many tentative, a loss, an end.

    Args:
        by_two: people, who say a part each of what is committed.
    """
    ledger, clock = Ledger(), 0
    for n_committed, n_tentative, loses, closes in plan:
        if ledger.open_segment is None:
            ledger.open(clock)
        segment = ledger.open_segment
        assert segment is not None
        words = [FakeWord(f"w{clock + i}", clock + i, clock + i, 1.0) for i in range(9)]
        committed = ledger.commit(words[:n_committed])
        tentative = ledger.set_tentative(words[n_committed:][:n_tentative])
        yield WordsUpdate(segment.id, committed, tentative)
        yield EmotionUpdate(HAPPY, clock, clock)
        if loses:
            yield AudioLost(clock, 10, "gap")
        clock += 10
        segment = ledger.open_segment
        assert segment is not None
        first, n_words = segment.words[0].id if segment.words else 0, len(segment.words)
        labels = tuple(int(2 * at >= n_words) for at in range(n_words))
        if by_two and ledger.set_speakers(labels):
            yield SpeakersUpdate(segment.id, first, labels)
        if closes and by_two and n_words > 1:
            split = ledger.split(labels.index(1), SAD, 0)
            yield SegmentClosed(split, "speaker", split.id + 1)
        if closes:
            yield SegmentClosed(ledger.close(clock, SAD, 1 if by_two else None))


def fold(transcript: Transcript, events: Iterable[Report]) -> int:
    """Apply events as a client does; gives the number of lost samples among them."""
    lost = 0
    for report in events:
        event = wire_event(report)
        assert event is not None
        transcript.apply(event)
        lost += getattr(event, "lost_samples", 0)
    return lost


plans = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.booleans(), st.booleans()))


@given(plans, st.booleans(), st.data())
def test_a_log_has_the_effect_of_the_events(
    plan: list[tuple[int, int, bool, bool]], by_two: bool, data: st.DataObject
) -> None:
    log, events = EventLog(), []
    for event in spoken(plan, by_two=by_two):
        events.append(log.add(Report(event, 0.0, 0)))
    whole, cut = Transcript(), Transcript()
    lost = fold(whole, events)
    seen = data.draw(st.integers(0, len(events)))
    lost_in_parts = fold(cut, events[:seen])
    missed = log.after(seen)
    assert [n.seq for n in missed] == sorted({n.seq for n in missed})
    # The log may be cut too.
    again = data.draw(st.integers(0, len(missed)))
    lost_in_parts += fold(cut, missed[:again])
    newest = missed[again - 1].seq if again else seen
    lost_in_parts += fold(cut, log.after(newest))
    assert cut.words == whole.words
    assert cut.segments == whole.segments
    assert lost_in_parts == lost
    assert len(missed) <= len(events) - seen


def test_what_was_superseded_is_left_out() -> None:
    log = EventLog()
    for event in spoken([(0, 2, False, False), (0, 3, False, False), (1, 1, False, False)]):
        log.add(Report(event, 0.0, 0))
    words, emotion = log.after(0)
    assert isinstance(words.event, WordsUpdate)
    assert (len(words.event.committed), len(words.event.tentative)) == (1, 1)
    assert isinstance(emotion.event, EmotionUpdate)
    assert log.after(log.seq) == ()


def test_it_is_bounded_and_says_when_it_cannot_help() -> None:
    log = EventLog(limit=10)
    for event in spoken([(1, 1, True, True)] * 100):
        log.add(Report(event, 0.0, 0))
    assert len(log._kept) == 10
    with pytest.raises(EventsGoneError):
        log.after(3)
    with pytest.raises(EventsGoneError):
        log.after(log.seq + 1)
    assert log.after(log.seq - 4)


@pytest.mark.parametrize(("limit", "asked", "given"), [(2048, 3, 3), (2048, 99, 10), (9, 99, 2)])
def test_a_snapshot_begins_with_a_segment(limit: int, asked: int, given: int) -> None:
    log = EventLog(limit)
    for event in spoken([(2, 1, True, True)] * 10 + [(1, 1, True, False)]):
        log.add(Report(event, 0.0, 0))
    snapshot = log.snapshot(asked)
    assert not any(isinstance(n.event, AudioLost) for n in snapshot.events)
    follower = Transcript(snapshot.first_word_id)
    fold(follower, snapshot.events)
    assert len(follower.segments) == given
    assert [word.id for word in follower.words] == list(range(20 - 2 * given, 22))
    assert EventLog().snapshot(5).events == ()


@pytest.mark.parametrize("asked", range(6))
def test_a_snapshot_begins_with_words_that_it_tells(asked: int) -> None:
    log, whole = EventLog(), Transcript()
    for event in spoken([(3, 0, False, True)] * 3, by_two=True):
        fold(whole, [log.add(Report(event, 0.0, 0))])
    snapshot = log.snapshot(asked)
    follower = Transcript(snapshot.first_word_id)
    fold(follower, snapshot.events)
    assert len(follower.segments) >= asked
    assert follower.segments == whole.segments[6 - len(follower.segments) :]


def test_a_snapshot_without_any_whole_segment_begins_with_what_comes() -> None:
    log = EventLog(limit=2)
    for event in spoken([(1, 1, False, False)] * 5):
        log.add(Report(event, 0.0, 0))
    snapshot = log.snapshot(5)
    assert (snapshot.first_word_id, snapshot.events) == (5, ())


def test_turns_are_told_again_but_are_no_captions() -> None:
    log = EventLog()
    log.add(Report(TurnChanged("start", 0, 0, 5, (), 0.9), 0.0, 0))
    assert [type(report.event) for report in log.after(0)] == [TurnChanged]
    assert log.snapshot(5).events == ()


def test_sounds_are_told_again_and_are_captions() -> None:
    log = EventLog()
    for event in (SoundHeard("music", 0), SoundHeard("music", 0, 48_000)):
        log.add(Report(event, 0.0, 0))
    assert [report.event for report in log.after(1)] == [SoundHeard("music", 0, 48_000)]
    assert len(log.snapshot(5).events) == 2
