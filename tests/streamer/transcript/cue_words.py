"""Segments with words at a pace of speech, for tests of cues."""

from __future__ import annotations

from hypothesis import strategies as st

from streamer.audio.clock import samples_from_ms
from streamer.transcript.ledger import Segment, Word, WordState

VOCABULARY = [
    "a",
    "the",
    "of",
    "and",
    "I",
    "hare",
    "Jump",
    "snow,",
    "tree.",
    "extraordinary",
    "it?",
]


def segment_of(text: str, start_ms: float = 0, ms_a_char: float = 70) -> Segment:
    """The words of a text, spoken without pauses; the segment ends 320 ms behind them."""
    words, at = [], start_ms
    for number, word in enumerate(text.split()):
        end = at + ms_a_char * (len(word) + 1)
        start_sample, end_sample = samples_from_ms(at), samples_from_ms(end)
        words.append(Word(number, word, start_sample, end_sample, 0.9, WordState.FINAL, 0))
        at = end
    end_sample = samples_from_ms(at + 320)
    return Segment(0, words[0].start_sample, end_sample, tuple(words), None, final=True)


@st.composite
def spoken(draw: st.DrawFn) -> list[Segment]:
    """Segments with a pause of at least 0.8 s of silence between them."""
    at, segments = 0.0, []
    for _ in range(draw(st.integers(1, 3))):
        text = " ".join(draw(st.lists(st.sampled_from(VOCABULARY), min_size=1, max_size=50)))
        segments.append(segment_of(text, at, draw(st.sampled_from([45, 60, 80, 110]))))
        at = segments[-1].end_sample / 16 + 480 + draw(st.sampled_from([0, 300, 2_000]))
    return segments
