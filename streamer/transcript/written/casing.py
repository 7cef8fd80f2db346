"""Capitals follow the sentence, not the segment.

A recognizer begins every segment with a capital, though somebody who only paused goes on with the
sentence. There the capital goes, unless the word may be a name; behind the end of a sentence it
comes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from streamer.transcript.ledger import NewWord
from streamer.transcript.phrases import ends_sentence
from streamer.transcript.written.said import said_word
from streamer.transcript.written.word import with_text

IsCommon = Callable[[str], bool]
"""Whether a word, in lower case, is one that is mostly written so."""


class SentenceCase:
    """Of one session. Words come in order."""

    def __init__(self, is_common: IsCommon, names: Collection[str] = ()) -> None:
        """
        Args:
            names: what the client expects keeps its capitals.
        """
        self._is_common = is_common
        self.expect(names)
        self._before: str | None = None
        """The word before; None: there is none."""
        self._begins_segment = True

    def expect(self, names: Collection[str]) -> None:
        """These, from now on."""
        self._names = {said_word(part).key for name in names for part in name.split()}

    def begin_segment(self) -> None:
        self._begins_segment = True

    def take(self, word: NewWord) -> NewWord:
        """The word as it is written, which the next one follows."""
        written = self._seen(word, self._before, begins_segment=self._begins_segment)
        self._before, self._begins_segment = written.text, False
        return written

    def show(self, words: list[NewWord]) -> list[NewWord]:
        """As `take` would write them, if nothing changes."""
        before, begins = self._before, self._begins_segment
        shown = []
        for word in words:
            shown.append(self._seen(word, before, begins_segment=begins))
            before, begins = shown[-1].text, False
        return shown

    def _seen(self, word: NewWord, before: str | None, *, begins_segment: bool) -> NewWord:
        if before is None:
            return word
        if not ends_sentence(before):
            lowered = begins_segment and self._may_lose_capital(word.text)
            return with_text(word, _lowered(word.text)) if lowered else word
        if _has_own_dots(before) or (_asks(before) and not begins_segment):
            return word
        return with_text(word, _capitalized(word.text))

    def _may_lose_capital(self, text: str) -> bool:
        said = said_word(text)
        core = text[len(said.before) : len(text) - len(said.after)]
        if not core[:1].isupper() or not (core[1:].islower() or core == "A"):
            return False
        word = said.key.partition("'")[0]
        return word != "i" and word not in self._names and self._is_common(word)


def _has_own_dots(word: str) -> bool:
    """As "a.m.", "U.S." and "well..." have, so that they may or may not end a sentence."""
    return word.count(".") > 1


def _asks(word: str) -> bool:
    """What asks or exclaims may be a quotation, behind which the sentence goes on."""
    return "?" in word or "!" in word


def _capitalized(text: str) -> str:
    said = said_word(text)
    core = text[len(said.before) : len(text) - len(said.after)]
    return f"{said.before}{core[:1].upper()}{core[1:]}{said.after}" if core.islower() else text


def _lowered(text: str) -> str:
    at = len(said_word(text).before)
    return f"{text[:at]}{text[at:].lower()}"
