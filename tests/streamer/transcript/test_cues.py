"""Cues within the bounds of the guides, and cut where a reader would."""

from __future__ import annotations

import itertools

from hypothesis import given, settings

from streamer.audio.clock import samples_from_ms
from streamer.transcript.cues import (
    JERKY_GAP_MS,
    MAX_CHARS_PER_S,
    MAX_CUE_MS,
    MAX_HOLD_MS,
    MAX_LINE_CHARS,
    MAX_LINES,
    MIN_CUE_MS,
    MIN_GAP_MS,
    Cue,
    CueTrack,
)
from streamer.transcript.ledger import Segment, Word, WordState
from tests.streamer.transcript.cue_words import segment_of, spoken


def cues(*segments: Segment) -> list[Cue]:
    track = CueTrack()
    return [cue for segment in segments for cue in track.add(segment)]


def lines(text: str, ms_a_char: float = 70) -> list[tuple[str, ...]]:
    return [cue.lines for cue in cues(segment_of(text, 0, ms_a_char))]


def at(text: str, start_ms: float, end_ms: float) -> Word:
    start, end = samples_from_ms(start_ms), samples_from_ms(end_ms)
    return Word(0, text, start, end, 0.9, WordState.FINAL, 0)


def whole(*words: Word) -> Segment:
    return Segment(0, words[0].start_sample, words[-1].end_sample, words, None, final=True)


@settings(max_examples=60)
@given(spoken())
def test_spoken_words_keep_the_bounds(segments: list[Segment]) -> None:
    made = cues(*segments)
    shown = " ".join(line for cue in made for line in cue.lines)
    assert shown == " ".join(segment.text for segment in segments)
    for cue in made:
        assert 1 <= len(cue.lines) <= MAX_LINES
        assert all(0 < len(line) <= MAX_LINE_CHARS for line in cue.lines)
        assert cue.end_ms - cue.start_ms <= MAX_CUE_MS
    for before, after in itertools.pairwise(made):
        gap = after.start_ms - before.end_ms
        assert gap >= MIN_GAP_MS - 1  # of rounding
    for segment in segments:
        own = cues(segment)
        for before, after in itertools.pairwise(own):
            assert after.start_ms - before.end_ms <= MIN_GAP_MS + 1
        if len(segment.words) > 1:
            assert all(len(" ".join(cue.lines).split()) > 1 for cue in own)
            total_ms = (segment.end_sample - segment.start_sample) / 16
            if total_ms >= 2 * MIN_CUE_MS:
                assert all(cue.end_ms - cue.start_ms >= MIN_CUE_MS for cue in own)


def test_sentences_and_phrases_are_kept_together() -> None:
    assert lines(
        "Then of a sudden at midday the sun shot out, hot and still, no breath of air stirred. "
        "The sky was like blue steel. The earth steamed."
    ) == [
        ("Then of a sudden", "at midday the sun shot out,"),
        ("hot and still, no breath of air stirred.",),
        ("The sky was like blue steel.",),
        ("The earth steamed.",),
    ]


def test_no_line_ends_in_an_article_and_none_is_a_word_alone() -> None:
    text = "she pushed him toward the big chair and sat down on the stool"
    for cue in lines(text):
        for line in cue:
            assert len(line.split()) > 1
            assert line.split()[-1] not in {"the", "a", "and", "toward", "on"}


def test_text_that_fits_one_line_stays_on_one() -> None:
    assert lines("We stayed, and the rain went on.") == [("We stayed, and the rain went on.",)]


def test_a_short_word_is_held_into_the_pause() -> None:
    (cue,) = cues(segment_of("Yes."))
    assert (cue.start_ms, cue.end_ms) == (0, MIN_CUE_MS)
    (cue,) = cues(segment_of("quickly spoken words are held", 0, ms_a_char=52))
    assert (cue.end_ms - cue.start_ms) * MAX_CHARS_PER_S >= 29 * 1000


def test_a_short_gap_is_filled_and_a_long_one_is_left() -> None:
    first, second = (at("Before", 0, 1_500), at("that.", 1_500, 2_000))
    pause = MAX_HOLD_MS + JERKY_GAP_MS
    made = cues(whole(first, second, at("And", 2_000 + pause, 5_000), at("after.", 5_000, 6_000)))
    assert [cue.lines for cue in made] == [("Before that.",), ("And after.",)]
    assert made[0].end_ms == 2_000
    made = cues(whole(first, second, at("And", 3_600, 4_000), at("after.", 4_000, 9_000)))
    assert made[0].end_ms == 2_000
    made = cues(whole(first, second, at("And", 2_900, 4_000), at("after.", 4_000, 9_000)))
    assert made[0].end_ms == 2_900 - MIN_GAP_MS


def test_a_cue_that_outlasts_its_segment_delays_the_next_a_little() -> None:
    short = whole(at("Yes", 0, 300))
    made = cues(short, whole(at("no", 400, 700), at("more", 700, 2_000)))
    assert [(cue.start_ms, cue.end_ms) for cue in made] == [(0, 700), (780, 2_000)]


def test_words_beyond_the_end_of_their_segment_are_cut_off_there() -> None:
    words = (at("one", 0, 8_500), at("two", 8_000, 9_500))
    early = Segment(0, 0, samples_from_ms(9_000), words, None, final=True)
    made = cues(early, whole(at("three", 9_000, 10_900)))
    assert [(cue.start_ms, cue.end_ms) for cue in made] == [
        (0, 7_000),
        (8_000, 9_000),
        (9_080, 10_900),
    ]


def test_another_language_is_broken_at_its_marks() -> None:
    text = "\u98a8\u304c\u5f37\u304f\u5439\u304d\u307e\u3057\u305f\u3002"
    cue, *_ = lines(" ".join([*text, *text, *text, *text, *text]), ms_a_char=60)
    assert all(line.endswith("\u3002") for line in cue)
