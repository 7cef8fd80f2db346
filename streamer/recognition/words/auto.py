"""Words in whichever language is spoken.

While the language is not decided, the open segment is heard in the likeliest one and nothing is
committed; that takes the first seconds of speech. At each pause it is asked again, and speech that
proves to be of another language is heard anew as far as it is open.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

from streamer.audio.clock import samples_from_ms
from streamer.decoding.ear import Ear
from streamer.decoding.listening_decoder import EarOptions
from streamer.recognition.options import LanguageOptions
from streamer.recognition.words.contract import Read, SegmentWords, SessionWords, Sound, Told
from streamer.recognition.words.expectation import Expectation
from streamer.recognition.words.listened import ListenedWords
from streamer.transcript.events import LanguageChanged
from streamer.transcript.ledger import NewWord


class AutoWords:
    """See `streamer.recognition.words.contract.SessionWords`."""

    def __init__(
        self,
        ear: Ear,
        words_of: Callable[[str], SessionWords],
        known: Collection[str],
        options: LanguageOptions,
        ear_options: EarOptions,
    ) -> None:
        """
        Args:
            words_of: makes the words of a decided language.
            known: the languages to choose from, by code.
        """
        self._ear = ear
        self._words_of = words_of
        self._known = frozenset(known)
        self._made: dict[str, SessionWords] = {}
        self._expectation: Expectation | None = None
        """None: what the session began with."""
        self.options = options
        self._ear_options = ear_options
        self.language: str | None = None
        """What was decided."""

    def begin(self, sound: Sound, start_sample: int, audio_from: int) -> AutoSegment:
        """See `SessionWords`."""
        return AutoSegment(self, sound, start_sample, audio_from)

    def expect(self, expectation: Expectation) -> None:
        """See `SessionWords`."""
        self._expectation = expectation
        for words in self._made.values():
            words.expect(expectation)

    def guess(self, read: Read, start: int, end: int) -> tuple[str, float]:
        """The likeliest language of what is said, and its probability among those there are."""
        start = max(start, end - samples_from_ms(self.options.newest_ms))
        found = self._ear.language(read(start, end))
        known = [(code, probability) for code, probability in found if code in self._known]
        code, probability = known[0]
        return code, probability / max(sum(share for _, share in known), 1e-9)

    def words(self, language: str) -> SessionWords:
        """The words of a decided language, the same each time."""
        if language not in self._made:
            self._made[language] = self._words_of(language)
            if self._expectation is not None:
                self._made[language].expect(self._expectation)
        return self._made[language]

    def preview(self, language: str) -> ListenedWords:
        return ListenedWords(self._ear, self._ear_options, language)


class AutoSegment:
    """See `streamer.recognition.words.contract.SegmentWords`."""

    def __init__(
        self, session: AutoWords, sound: Sound, start_sample: int, audio_from: int
    ) -> None:
        self._session = session
        self._sound = sound
        self._start = start_sample
        self._audio_from = audio_from
        self._guessed_until = audio_from
        self._paused_at: int | None = None
        self._words: SegmentWords | None = None
        """Of the decided language, or of the one that a pause was heard in."""
        self._tentative: Sequence[NewWord] = ()
        """While there are none such."""
        if session.language is not None:
            self._hear_in(session.language)

    @property
    def tentative(self) -> Sequence[NewWord]:
        return self._tentative if self._words is None else self._words.tentative

    @property
    def committed_end(self) -> int:
        return self._start if self._words is None else self._words.committed_end

    def step(self, end: int, backlog: int) -> Iterator[Told]:
        """See `SegmentWords`."""
        if self._words is None:
            yield from self._listen(end)
        if self._words is not None:
            yield from self._words.step(end, backlog)

    def pause(self, end: int, backlog: int) -> Iterator[Told]:
        """See `SegmentWords`."""
        yield from self._ask_at_pause(end)
        assert self._words is not None
        yield from self._words.pause(end, backlog)

    def close(self, end: int, silence_ms: float) -> Iterator[Told]:
        """See `SegmentWords`."""
        yield from self._ask_at_pause(end)
        assert self._words is not None
        yield from self._words.close(end, silence_ms)

    def sentence_over(self) -> float | None:
        """See `SegmentWords`."""
        return None if self._words is None else self._words.sentence_over()

    def settle(self) -> Iterator[Told]:
        """See `SegmentWords`."""
        if self._words is not None:
            yield from self._words.settle()

    def _listen(self, end: int) -> Iterator[Told]:
        """The language is not decided."""
        options = self._session.options
        length, new = end - self._audio_from, end - self._guessed_until
        if length < samples_from_ms(options.first_ms) or new < samples_from_ms(options.every_ms):
            return
        self._guessed_until = end
        language, probability = self._session.guess(self._sound.read, self._audio_from, end)
        if probability >= options.sure or length >= samples_from_ms(options.decide_ms):
            yield from self._decide(language, probability)
            return
        preview = self._session.preview(language).begin(self._sound, self._start, self._audio_from)
        preview.preview(end)
        self._tentative = preview.tentative
        yield ()

    def _ask_at_pause(self, end: int) -> Iterator[Told]:
        """Once a pause, or at the end of a segment that was cut short."""
        if self._paused_at == end:
            return
        self._paused_at = end
        session, options = self._session, self._session.options
        if session.language is None:
            language, probability = session.guess(self._sound.read, self._audio_from, end)
            if probability >= options.likely:
                yield from self._decide(language, probability)
            elif self._words is None:
                self._hear_in(language)
        elif end - self._audio_from >= samples_from_ms(options.change_ms):
            language, probability = session.guess(self._sound.read, self._audio_from, end)
            if language != session.language and probability >= options.change:
                yield from self._decide(language, probability)

    def _decide(self, language: str, probability: float) -> Iterator[Told]:
        self._session.language = language
        self._hear_in(language)
        yield LanguageChanged(language, probability)

    def _hear_in(self, language: str) -> None:
        """What is open is heard in this language from now on."""
        start, audio_from = self._start, self._audio_from
        if self._words is not None and self._words.committed_end > start:
            start = audio_from = self._words.committed_end
        self._words = self._session.words(language).begin(self._sound, start, audio_from)
