"""Words and events as outputs get them."""

from __future__ import annotations

from streamer.audio.clock import samples_from_ms
from streamer.transcript.events import WordsUpdate
from streamer.transcript.ledger import Emotion, Segment, Word, WordState

HAPPY = Emotion("happy", {"happy": 1.0})


def words(text: str, from_ms: float, state: WordState = WordState.COMMITTED) -> tuple[Word, ...]:
    """A word each half second, 0.4 s long."""
    return tuple(
        Word(
            round(from_ms) + i,
            word,
            samples_from_ms(from_ms + 500 * i),
            samples_from_ms(from_ms + 500 * i + 400),
            0.9,
            state,
            0,
        )
        for i, word in enumerate(text.split())
    )


def update(text: str, from_ms: float, tentative: tuple[Word, ...] = ()) -> WordsUpdate:
    return WordsUpdate(0, words(text, from_ms), tentative)


def piece(text: str, from_ms: float, emotion: Emotion | None = None) -> Segment:
    said = words(text, from_ms, WordState.FINAL)
    return Segment(0, said[0].start_sample, said[-1].end_sample, said, emotion, final=True)
