from __future__ import annotations

from collections.abc import Iterable

from streamer.audio.clock import samples_from_ms
from streamer.decoding.listening_decoder import EarOptions
from streamer.recognition.options import LanguageOptions
from streamer.recognition.words.auto import AutoSegment, AutoWords
from streamer.recognition.words.contract import SessionWords, Sound, Told
from streamer.recognition.words.expectation import Expectation
from streamer.recognition.words.listened import ListenedWords
from streamer.transcript.events import LanguageChanged
from tests.listening_fakes import ScriptedEar, sound, spoken

SECOND = 16_000
HOP = 4_096
TEXTS = [f"wort{number}" for number in range(60)]
"""Half a second each; in another language than German they are heard in capitals."""
OPTIONS = LanguageOptions()


class Session:
    def __init__(self, known: tuple[str, ...] = ("de", "en", "fr")) -> None:
        self.ear = ScriptedEar(spoken(TEXTS))
        self.asked: list[str] = []
        self.words = AutoWords(self.ear, self._words_of, known, OPTIONS, EarOptions())
        self.languages: list[str] = []
        self.committed: list[str] = []

    def _words_of(self, language: str) -> SessionWords:
        self.asked.append(language)
        return ListenedWords(self.ear, EarOptions(), language)

    def begin(self, start: int = 0) -> AutoSegment:
        return self.words.begin(Sound(sound), start, start)

    def speak(self, segment: AutoSegment, start: int, end: int) -> None:
        for at in range(start + HOP, end + 1, HOP):
            self.take(segment.step(at, HOP))

    def take(self, told: Iterable[Told]) -> None:
        for one in told:
            self._note(one)

    def _note(self, one: Told) -> None:
        if isinstance(one, tuple):
            self.committed += [word.text for word in one]
        else:
            assert isinstance(one, LanguageChanged)
            self.languages.append(one.language)


def test_a_sure_guess_decides_and_is_told_once() -> None:
    session = Session()
    segment = session.begin()
    session.speak(segment, 0, 10 * SECOND)
    session.take(segment.close(10 * SECOND, 0))
    assert session.languages == session.asked == ["de"]
    assert session.committed == TEXTS[:20]
    assert session.words.language == "de"


def test_nothing_is_committed_before_it_is_decided_but_words_are_shown() -> None:
    session = Session()
    session.ear.named = [("fr", 0.5), ("de", 0.4)]
    segment = session.begin()
    until = samples_from_ms(OPTIONS.decide_ms) - HOP
    session.speak(segment, 0, until)
    assert session.committed == session.languages == []
    assert [word.text for word in segment.tentative][:2] == ["WORT0", "WORT1"]
    assert segment.committed_end == 0
    # Surer of German, the same sound is heard anew.
    session.ear.named = [("de", 0.95), ("fr", 0.05)]
    session.speak(segment, until, 12 * SECOND)
    assert session.languages == ["de"]
    assert session.committed[:2] == ["wort0", "wort1"]


def test_after_some_seconds_the_likeliest_decides() -> None:
    session = Session()
    session.ear.named = [("fr", 0.4), ("de", 0.3)]
    session.speak(session.begin(), 0, samples_from_ms(OPTIONS.decide_ms) + 5 * HOP)
    assert session.languages == ["fr"]


def test_only_languages_that_are_to_be_had_count() -> None:
    session = Session()
    session.ear.named = [("nn", 0.9), ("de", 0.095), ("fr", 0.005)]
    session.speak(session.begin(), 0, 3 * SECOND)
    assert session.languages == ["de"]


def test_a_short_segment_is_heard_in_the_likeliest_and_decides_if_that_is_likely() -> None:
    doubtful = [("de", 0.4), ("fr", 0.3), ("en", 0.3)]
    for named, decided in (([("de", 0.8), ("fr", 0.2)], ["de"]), (doubtful, [])):
        session = Session()
        session.ear.named = named
        segment = session.begin()
        session.speak(segment, 0, SECOND)
        session.take(segment.pause(SECOND, HOP))
        session.take(segment.close(SECOND, 0))
        assert session.committed == TEXTS[:2]
        assert session.languages == decided
        assert session.ear.n_named == 1


def test_a_pause_revises_what_is_open_and_what_follows() -> None:
    session = Session()
    segment = session.begin()
    session.speak(segment, 0, 5 * SECOND)
    committed = list(session.committed)
    assert committed
    session.ear.named = [("fr", 0.9), ("de", 0.1)]
    session.take(segment.pause(6 * SECOND, HOP))
    session.take(segment.close(6 * SECOND, 0))
    assert session.languages == ["de", "fr"]
    upper = [text.upper() for text in TEXTS[len(committed) : 12]]
    assert session.committed == committed + upper
    following = session.begin(6 * SECOND)
    session.speak(following, 6 * SECOND, 8 * SECOND)
    session.take(following.close(8 * SECOND, 0))
    assert session.committed[-4:] == [text.upper() for text in TEXTS[12:16]]


def test_a_doubtful_or_short_pause_revises_nothing() -> None:
    for end, probability in ((SECOND, 0.95), (5 * SECOND, 0.7)):
        session = Session()
        first = session.begin()
        session.speak(first, 0, 3 * SECOND)
        session.take(first.close(3 * SECOND, 0))
        session.ear.named = [("fr", probability), ("de", 1 - probability)]
        second = session.begin(3 * SECOND)
        session.take(second.pause(3 * SECOND + end, HOP))
        assert session.languages == ["de"]


def test_a_language_s_words_are_made_once_a_session() -> None:
    """The LLM of the English ones knows what was said."""
    session = Session()
    for start in (0, 4, 8):
        segment = session.begin(start * SECOND)
        session.take(segment.close((start + 3) * SECOND, 0))
    assert session.asked == ["de"]


def test_a_pause_may_be_settled_in_the_decided_language() -> None:
    session = Session()
    segment = session.begin()
    assert list(segment.settle()) == []
    assert segment.sentence_over() is None
    session.speak(segment, 0, 4 * SECOND)
    session.take(segment.pause(4 * SECOND, HOP))
    session.take(segment.settle())
    assert session.committed == TEXTS[:8]


def test_what_is_expected_reaches_words_that_are_made_later() -> None:
    told: list[tuple[str, ...]] = []

    class Expecting(ListenedWords):
        def expect(self, expectation: Expectation) -> None:
            told.append(expectation.hot_words)

    ear = ScriptedEar(spoken(TEXTS))

    def words_of(language: str) -> SessionWords:
        return Expecting(ear, EarOptions(), language)

    words = AutoWords(ear, words_of, ("de", "en"), OPTIONS, EarOptions())
    words.words("de")
    assert told == []
    words.expect(Expectation(hot_words=("Ada",)))
    words.words("en")
    assert told == [("Ada",), ("Ada",)]
