"""From the words of a session as they are recognized to those that its ledger keeps.

The ledger never changes a word that was committed, and a number is not known before it is over
("twenty", "twenty five", "twenty five dollars"). So the words of an open number are held back:
they are tentative, whatever the recognizer has decided, until a word that is no part of it, the
end of a sentence or the end of the segment. What is committed is what people read, one word from
the start of the first spoken one to the end of the last, and every protocol, client, export and
follower sees the same. To write anew what was committed would break the one promise that all of
them rest on; to do it in finished segments only would give two texts of the same speech.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from streamer.transcript.ledger import NewWord
from streamer.transcript.written.amounts import cardinal, money, ordinal, percentage, small_range
from streamer.transcript.written.casing import SentenceCase
from streamer.transcript.written.clock_times import clock_time
from streamer.transcript.written.dates import day, year
from streamer.transcript.written.digit_strings import digit_string
from streamer.transcript.written.holding import open_from
from streamer.transcript.written.masking import MASK, secrets
from streamer.transcript.written.options import WritingOptions
from streamer.transcript.written.profanity import is_profane
from streamer.transcript.written.said import SaidWord, Sentence, said_word
from streamer.transcript.written.spans import Rule, Span
from streamer.transcript.written.vocabulary import MERIDIEMS
from streamer.transcript.written.word import as_one, undecided

_RULES: Final[tuple[Rule, ...]] = (
    clock_time,
    money,
    percentage,
    day,
    year,
    digit_string,
    small_range,
    ordinal,
    cardinal,
)
"""The first that holds at a word is taken."""
_ENGLISH: Final = "en"
_CONTEXT_WORDS: Final = 6
"""Before a number: what it may be told by."""
_MAX_HELD: Final = 40
"""Words. Who counts for ever is committed all the same."""


class Writer:
    """Of one session."""

    def __init__(
        self,
        options: WritingOptions | None = None,
        casing: SentenceCase | None = None,
        *,
        language: str = _ENGLISH,
        fixed: bool = False,
    ) -> None:
        """
        Args:
            casing: None leaves capitals as they are.
            language: of the words, as a code. Only those of English are changed.
            fixed: they are of this language whatever is spoken.
        """
        self._options = options or WritingOptions()
        self._casing = casing
        self._held: list[NewWord] = []
        self._before: list[SaidWord] = []
        self._is_english = language == _ENGLISH
        self._fixed = fixed

    def hear(self, language: str) -> None:
        """This is spoken from now on."""
        if not self._fixed:
            self._is_english = language == _ENGLISH

    def expect(self, names: Collection[str]) -> None:
        """The client expects these names from now on."""
        if self._casing is not None:
            self._casing.expect(names)

    def commit(self, words: Sequence[NewWord]) -> list[NewWord]:
        """The words that are committed, now that these are decided; others wait."""
        if not self._is_english:
            return [*self.end_segment(), *words]
        if self._casing is not None:
            words = [self._casing.take(word) for word in words]
        words = [*self._held, *words]
        first = len(words)
        if self._options.by_number:
            first = open_from([said_word(word.text) for word in words])
            if len(words) - first > _MAX_HELD:
                first = len(words)
        self._held = words[first:]
        return self._written(words[:first])

    def show(self, words: Sequence[NewWord]) -> list[NewWord]:
        """The tentative words: those that wait, and what follows them."""
        if not self._is_english:
            return [*self._held, *words]
        words = self._casing.show(list(words)) if self._casing is not None else words
        return self._write([*self._held, *words], is_open=True)

    def end_segment(self) -> list[NewWord]:
        """What waited. No number goes on in the next segment."""
        written = self._written(self._held)
        self._held, self._before = [], []
        if self._casing is not None:
            self._casing.begin_segment()
        return written

    def _written(self, words: list[NewWord]) -> list[NewWord]:
        written = self._write(words, is_open=False)
        said = [*self._before, *(said_word(word.text) for word in words)]
        self._before = said[-_CONTEXT_WORDS:]
        return written

    def _write(self, words: list[NewWord], *, is_open: bool) -> list[NewWord]:
        options = self._options
        if options == WritingOptions():
            return words
        said = [*self._before, *(said_word(word.text) for word in words)]
        n_before = len(self._before)
        masked = set()
        spans: list[Span] = []
        if options.by_number:
            sentence = Sentence(said)
            spans = _spans(sentence, n_before)
            first_open = open_from(said) if is_open else len(said)
            masked = secrets(sentence, spans, options.redact, first_open)
        pieces = {}
        if options.numbers:
            pieces = {piece.first: piece for span in spans for piece in span.pieces}
        written: list[NewWord] = []
        at = n_before
        while at < len(said):
            text, last = None, at + 1
            if at in masked:
                while last in masked and said[last].key and not said[last - 1].ends_sentence:
                    last += 1
                text = MASK
            elif options.profanity_filter and is_profane(said[at].key):
                text = MASK
            elif at in pieces:
                text, last = pieces[at].text, pieces[at].last
            group = words[at - n_before : last - n_before]
            marked = group[0].text if text is None else _marked(said, at, last, text)
            written.append(as_one(group, marked))
            at = last
        if options.redact or options.profanity_filter:  # nor what was almost understood
            written = [undecided(word) for word in written]
        return written


def _spans(said: Sentence, first: int) -> list[Span]:
    spans: list[Span] = []
    at = first
    while at < len(said):
        span = next(filter(None, (rule(said, at) for rule in _RULES)), None)
        if span is not None:
            spans.append(span)
        at = at + 1 if span is None else span.last
    return spans


def _marked(said: Sequence[SaidWord], first: int, last: int, text: str) -> str:
    """With the marks around the words that it stands for."""
    word = said[last - 1]
    # "a.m." has its own full stop.
    after = word.after.removeprefix(".") if word.key in MERIDIEMS else word.after
    return f"{said[first].before}{text}{after}"
