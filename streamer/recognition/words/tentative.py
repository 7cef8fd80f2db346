"""How words are shown that may still change."""

from __future__ import annotations

from collections.abc import Sequence

from streamer.transcript.ledger import NewWord
from streamer.transcript.written.word import with_text


def without_full_stop(words: Sequence[NewWord]) -> Sequence[NewWord]:
    """The words, the last without the full stop that it has only because the sound ends there.

    A question mark is heard in the voice and stays; so do the dots of "U.S." and of "...".
    """
    if not words:
        return words
    last = words[-1]
    text = last.text.removesuffix(".")
    if text in ("", last.text) or "." in text:
        return words
    return (*words[:-1], with_text(last, text))
