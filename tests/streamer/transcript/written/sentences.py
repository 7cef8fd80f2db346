"""Sentences through a writer, as they would come from a recognizer."""

from __future__ import annotations

from collections.abc import Sequence

from streamer.transcript.ledger import NewWord
from streamer.transcript.written.options import WritingOptions
from streamer.transcript.written.writer import Writer
from tests.fakes import FakeWord

NUMBERS = WritingOptions(numbers=True)


def said(text: str) -> list[NewWord]:
    """A word every 100 samples, 80 long."""
    return [FakeWord(word, at * 100, at * 100 + 80) for at, word in enumerate(text.split())]


def text_of(words: Sequence[NewWord]) -> str:
    return " ".join(word.text for word in words)


def written(text: str, options: WritingOptions = NUMBERS) -> str:
    """One segment, committed at once."""
    writer = Writer(options)
    return text_of([*writer.commit(said(text)), *writer.end_segment()])
