from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.transcript.ledger import Emotion, Ledger, LedgerError, Voice, WordState
from tests.fakes import FakeWord

HAPPY = Emotion("happy", {"happy": 1.0})


def word(text: str, start: int, end: int) -> FakeWord:
    return FakeWord(text, start, end, 0.5)


def test_words_go_from_tentative_over_committed_to_final() -> None:
    ledger = Ledger()
    ledger.open(100)
    assert [w.id for w in ledger.set_tentative([word("hel", 100, 150)])] == [0]
    ledger.commit([word("hello", 100, 200)])
    ledger.set_tentative([word("wor", 210, 220)])
    assert [(w.id, w.text, w.state) for w in ledger.words] == [
        (0, "hello", WordState.COMMITTED),
        (1, "wor", WordState.TENTATIVE),
    ]
    assert ledger.open_segment is not None
    assert ledger.open_segment.text == "hello"
    segment = ledger.close(300, HAPPY)
    assert segment.final
    assert segment.emotion == HAPPY
    assert (segment.start_sample, segment.end_sample) == (100, 300)
    assert [w.state for w in ledger.words] == [WordState.FINAL]
    assert ledger.open_segment is None
    assert ledger.tentative == ()


def test_a_segment_without_words_leaves_no_trace() -> None:
    ledger = Ledger()
    ledger.open(0)
    ledger.set_tentative([word("uh", 0, 10)])
    assert ledger.close(50, None).words == ()
    assert ledger.segments == ()
    assert ledger.words == ()
    assert ledger.open(0).id == 0


def test_a_bounded_ledger_forgets_the_oldest_segments_and_goes_on_counting() -> None:
    ledger = Ledger(max_final_segments=2)
    for i in range(5):
        assert ledger.open(i * 100).id == i
        ledger.commit([word(f"w{i}", i * 100, i * 100 + 50)])
        ledger.close(i * 100 + 60, None)
    assert [segment.text for segment in ledger.segments] == ["w3", "w4"]
    assert [w.id for w in ledger.words] == [3, 4]
    with pytest.raises(LedgerError, match="before the previous one ended"):
        ledger.open(400)


@pytest.mark.parametrize(
    "misuse",
    [
        lambda ledger: ledger.commit([]),
        lambda ledger: ledger.set_tentative([]),
        lambda ledger: ledger.close(10, None),
    ],
)
def test_nothing_can_be_said_outside_a_segment(misuse: object) -> None:
    assert callable(misuse)
    with pytest.raises(LedgerError, match="no segment is open"):
        misuse(Ledger())


def test_segments_do_not_nest_or_overlap() -> None:
    ledger = Ledger()
    ledger.open(0)
    with pytest.raises(LedgerError, match="still open"):
        ledger.open(10)
    ledger.commit([word("a", 0, 10)])
    with pytest.raises(LedgerError, match="before its words"):
        ledger.close(-1, None)
    ledger.close(20, None)
    ledger.open(20)
    with pytest.raises(LedgerError, match="before its words"):
        ledger.close(19, None)
    ledger.close(20, None)
    with pytest.raises(LedgerError, match="previous one ended"):
        ledger.open(19)


def test_order_is_held_against_the_last_committed_word() -> None:
    ledger = Ledger()
    ledger.open(0)
    ledger.commit([word("a", 0, 10), word("b", 50, 60)])
    with pytest.raises(LedgerError, match="backwards"):
        ledger.commit([word("c", 40, 70)])
    with pytest.raises(LedgerError, match="before its words"):
        ledger.close(49, None)
    assert ledger.close(50, None).text == "a b"


def test_words_and_segments_may_begin_together_and_have_no_length() -> None:
    ledger = Ledger()
    ledger.open(0)
    assert ledger.close(0, None).words == ()  # breath that was no speech
    ledger.open(0)
    ledger.commit([word("a", 0, 0), word("b", 0, 5)])
    ledger.commit([word("c", 0, 0)])
    segment = ledger.close(7, None)
    assert [(w.start_sample, w.end_sample) for w in segment.words] == [(0, 0), (0, 5), (0, 0)]
    assert ledger.open(7).start_sample == 7


def test_a_segment_is_final_when_it_is_closed_and_not_before() -> None:
    ledger = Ledger()
    assert not ledger.open(3).final
    with pytest.raises(LedgerError, match="before its words"):
        ledger.close(2, None)
    with pytest.raises(LedgerError, match="previous one ended"):
        Ledger().open(-1)


def test_committed_words_do_not_run_backwards() -> None:
    ledger = Ledger()
    ledger.open(100)
    with pytest.raises(LedgerError, match="backwards"):
        ledger.commit([word("early", 90, 110)])
    with pytest.raises(LedgerError, match="backwards"):
        ledger.commit([word("inside out", 120, 110)])
    ledger.commit([word("a", 110, 120)])
    with pytest.raises(LedgerError, match="backwards"):
        ledger.commit([word("b", 109, 130)])
    ledger.commit([word("c", 110, 110)])
    assert [w.text for w in ledger.words] == ["a", "c"]
    ledger.close(110, None)


operations = st.lists(
    st.tuples(
        st.sampled_from(["open", "commit", "tentative", "close"]),
        st.integers(0, 50),
        st.lists(st.tuples(st.text(max_size=3), st.integers(-5, 30), st.integers(-3, 20))),
    ),
    max_size=30,
)


@given(operations)
def test_no_sequence_of_calls_changes_a_committed_word(
    calls: list[tuple[str, int, list[tuple[str, int, int]]]],
) -> None:
    ledger = Ledger()
    known: list[tuple[int, str, int, int, int]] = []
    clock = 0
    for name, advance, raw in calls:
        words = [word(text, clock + at, clock + at + length) for text, at, length in raw]
        clock += advance
        before = ledger.words
        try:
            if name == "open":
                ledger.open(clock)
            elif name == "commit":
                ledger.commit(words)
            elif name == "tentative":
                ledger.set_tentative(words)
            else:
                ledger.close(clock, HAPPY)
        except LedgerError:
            assert ledger.words == before, "a refused call must change nothing"
            return  # a bug in the caller; no promise holds from here on
        settled = [
            (w.id, w.text, w.start_sample, w.end_sample, w.segment_id)
            for w in ledger.words
            if w.state is not WordState.TENTATIVE
        ]
        assert settled[: len(known)] == known, "committed words are append-only"
        known = settled
        assert [w.id for w in ledger.words] == list(range(len(ledger.words)))
        order = {WordState.FINAL: 0, WordState.COMMITTED: 1, WordState.TENTATIVE: 2}
        states = [order[w.state] for w in ledger.words]
        assert states == sorted(states)
        assert all(segment.final and segment.words for segment in ledger.segments)
        for segment, following in zip(ledger.segments, ledger.segments[1:], strict=False):
            assert segment.end_sample <= following.start_sample
        assert [segment.id for segment in ledger.segments] == list(range(len(ledger.segments)))


def test_a_word_keeps_the_voice_it_was_committed_with() -> None:
    ledger = Ledger()
    ledger.open(0)
    (word,) = ledger.commit([FakeWord("loud", 0, 800)], [Voice(6.0, 200.0)])
    assert word.voice == Voice(6.0, 200.0)
    assert ledger.set_tentative([FakeWord("er", 800, 900)])[0].voice is None
    assert ledger.close(1_600, None).words[0].voice == word.voice


def test_voices_are_of_all_words_or_of_none() -> None:
    ledger = Ledger()
    ledger.open(0)
    words = [FakeWord("a", 0, 800), FakeWord("b", 800, 900)]
    with pytest.raises(ValueError, match="zip"):
        ledger.commit(words, [Voice(6.0, 200.0)])


def test_a_segment_is_split_where_somebody_else_speaks() -> None:
    ledger = Ledger()
    ledger.open(0)
    ledger.commit([word("hello", 0, 120), word("who", 100, 200), word("is", 200, 300)])
    assert ledger.set_speakers([0, 1, 1])
    assert not ledger.set_speakers([0, 1, 1])
    first = ledger.split(1, HAPPY, 0)
    assert (first.id, first.text, first.speaker, first.end_sample) == (0, "hello", 0, 100)
    assert [(w.state, w.speaker) for w in first.words] == [(WordState.FINAL, 0)]
    rest = ledger.open_segment
    assert rest is not None
    assert (rest.id, rest.text, rest.start_sample) == (1, "who is", 100)
    assert [(w.id, w.segment_id, w.speaker) for w in rest.words] == [(1, 1, 1), (2, 1, 1)]
    for count in (0, 2):
        with pytest.raises(LedgerError, match="beside its words"):
            ledger.split(count, None, None)
    assert [(s.id, s.speaker) for s in (ledger.close(400, None, 1), *ledger.segments)] == [
        (1, 1),
        (0, 0),
        (1, 1),
    ]
