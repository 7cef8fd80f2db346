from __future__ import annotations

from dataclasses import replace

import pytest

from streamer.audio.arrays import Floats
from streamer.audio.clock import SAMPLE_RATE
from streamer.decoding.listening_decoder import EarOptions, ListeningDecoder
from streamer.decoding.words import RecognizedWord
from streamer.models.whisper.contract import Hearing, TimedWord
from tests.listening_fakes import ScriptedEar, sound, spoken

HOP = 4_096
TEXTS = [f"wort{number}" for number in range(200)]


def decoder(ear: ScriptedEar, options: EarOptions | None = None) -> ListeningDecoder:
    return ListeningDecoder(ear, options or EarOptions(), "de", sound, 0, 0)


def listen(listening: ListeningDecoder, seconds: float) -> list[RecognizedWord]:
    """What is committed while somebody speaks."""
    committed: list[RecognizedWord] = []
    for end in range(HOP, round(seconds * SAMPLE_RATE) + 1, HOP):
        if listening.is_due(end):
            listening.hear(end)
            committed += listening.commit(end)
    return committed


def texts(words: list[RecognizedWord] | tuple[RecognizedWord, ...]) -> list[str]:
    return [word.text for word in words]


def test_words_that_two_hearings_gave_are_committed_where_they_were_said() -> None:
    listening = decoder(ScriptedEar(spoken(TEXTS)))
    committed = listen(listening, 10.0)
    assert len(committed) >= 14
    assert texts(committed) == TEXTS[: len(committed)]
    for number, word in enumerate(committed):
        assert word.start_sample == pytest.approx(number * SAMPLE_RATE / 2, abs=400)
        assert word.end_sample == pytest.approx((number + 1) * SAMPLE_RATE / 2, abs=400)
        assert word.confidence == pytest.approx(0.9)
    assert listening.tentative
    assert listening.committed_end == committed[-1].end_sample


def test_nothing_is_committed_at_the_first_hearing() -> None:
    listening = decoder(ScriptedEar(spoken(TEXTS, each_s=0.2)))
    end = 3 * SAMPLE_RATE
    listening.hear(end)
    assert len(listening.tentative) == 15
    assert listening.commit(end) == ()


def test_it_hears_every_second_or_so() -> None:
    ear = ScriptedEar(spoken(TEXTS))
    listen(decoder(ear), 10.24)
    assert ear.n_heard == 10


def test_the_window_stays_short_and_no_word_is_lost_or_said_twice() -> None:
    ear = ScriptedEar(spoken(TEXTS))
    listening = decoder(ear)
    committed = listen(listening, 90.0)
    listening.hear_end(90 * SAMPLE_RATE)
    committed += listening.finish()
    assert texts(committed) == TEXTS[:180]
    options = EarOptions()
    assert ear.longest <= (options.max_window_ms + options.hear_every_ms) / 1000 * SAMPLE_RATE
    starts = [word.start_sample for word in committed]
    assert starts == sorted(starts)


def test_a_long_pause_without_words_is_dropped() -> None:
    """As of music that passes for speech."""
    late = spoken(["spät", "erst"], start_s=50.0)
    ear = ScriptedEar([*spoken(["früh"]), *late])
    listening = decoder(ear)
    listen(listening, 52.0)
    listening.hear_end(52 * SAMPLE_RATE)
    assert texts(listening.finish())[-2:] == ["spät", "erst"]
    options = EarOptions()
    longest_ms = options.max_window_ms + options.agreement.max_open_ms + options.hear_every_ms
    assert ear.longest <= longest_ms / 1000 * SAMPLE_RATE


def test_a_pause_makes_all_but_the_last_word_certain_and_an_end_that_too() -> None:
    ear = ScriptedEar(spoken(["eins", "zwei", "drei"]))
    listening = decoder(ear)
    listening.hear_end(2 * SAMPLE_RATE)
    assert texts(listening.commit_at_pause()) == ["eins", "zwei"]
    assert texts(listening.tentative) == ["drei"]
    assert listening.end_heard_at == 2 * SAMPLE_RATE
    assert texts(listening.finish()) == ["drei"]
    assert ear.beams == [EarOptions().end_beam_width]
    listening.hear(3 * SAMPLE_RATE)
    assert listening.end_heard_at is None


class Looping(ScriptedEar):
    """Repeats itself while it is told what was said before."""

    def times(self, hearing: Hearing, text: str) -> list[TimedWord]:
        if not hearing.request.said:
            return super().times(hearing, text)
        return [TimedWord("ja", 1.0, 1.0, 0.9)] * 6


def test_a_loop_is_not_committed_and_the_open_words_are_heard_alone() -> None:
    ear = Looping(spoken(TEXTS))
    listening = decoder(ear)
    first = listen(listening, 4.0)
    assert 0 < len(first) <= 6
    more: list[RecognizedWord] = []
    for end in range(5 * SAMPLE_RATE, 8 * SAMPLE_RATE, HOP):
        listening.hear(end)
        more += listening.commit(end)
    assert more == []
    listening.hear_end(8 * SAMPLE_RATE)
    assert texts(first) + texts(listening.finish()) == TEXTS[:16]
    assert ear.said[-1] == ""


class Endless(ScriptedEar):
    """Comes to no end."""

    endless = False

    def hear(self, samples: Floats, language: str, said: str, beam_width: int) -> Hearing:
        heard = super().hear(samples, language, said, beam_width)
        return replace(heard, hypotheses=()) if self.endless else heard


def test_words_stand_while_the_listener_comes_to_no_end() -> None:
    ear = Endless(spoken(TEXTS))
    listening = decoder(ear)
    listening.hear(2 * SAMPLE_RATE)
    shown = texts(listening.tentative)
    ear.endless = True
    listening.hear(4 * SAMPLE_RATE)
    assert texts(listening.tentative) == shown == TEXTS[:4]
    assert listening.commit(4 * SAMPLE_RATE) == ()


@pytest.mark.parametrize(
    ("no_speech", "logprob", "heard"), [(0.9, -2.0, 0), (0.9, -0.2, 2), (0.1, -2.0, 2)]
)
def test_unlikely_words_where_nobody_seems_to_speak_are_none(
    no_speech: float, logprob: float, heard: int
) -> None:
    ear = ScriptedEar(spoken(["vielen", "Dank"]))
    ear.no_speech, ear.logprob = no_speech, logprob
    listening = decoder(ear)
    listening.hear_end(SAMPLE_RATE)
    assert len(listening.finish()) == heard


def test_a_mark_that_comes_too_late_is_left_out() -> None:
    class Late(ScriptedEar):
        def hear(self, samples: Floats, language: str, said: str, beam_width: int) -> Hearing:
            heard = super().hear(samples, language, said, beam_width)
            (found,) = heard.hypotheses
            return replace(heard, hypotheses=(replace(found, text=f", {found.text}"),))

        def times(self, hearing: Hearing, text: str) -> list[TimedWord]:
            assert not said or not text.startswith(",")
            return super().times(hearing, text)

    said: list[RecognizedWord] = []
    listening = decoder(Late(spoken(TEXTS)))
    said += listen(listening, 4.0)
    assert said
    listening.hear(5 * SAMPLE_RATE)


def test_what_was_said_is_told_as_its_script_is_written() -> None:
    ear = ScriptedEar(spoken("復興努力に対する批判", each_s=0.3), space="")
    committed = listen(decoder(ear), 4.0)
    assert len(committed) > 2
    assert ear.said[-1]
    assert "".join(texts(committed)).startswith(ear.said[-1])


def test_too_little_sound_is_not_heard() -> None:
    ear = ScriptedEar(spoken(TEXTS))
    listening = decoder(ear)
    listening.hear_end(SAMPLE_RATE // 20)
    assert listening.finish() == ()
    assert ear.n_heard == 0


@pytest.mark.parametrize(("probability", "heard"), [(0.1, ""), (0.9, "eins zwei drei")])
def test_words_without_speech_under_them_are_none(probability: float, heard: str) -> None:
    ear = ScriptedEar(spoken(["eins", "zwei", "drei"]))
    decoder = ListeningDecoder(
        ear,
        EarOptions(),
        "de",
        sound,
        0,
        0,
        lambda start, end: [probability] * ((end - start) // 512),
    )
    decoder.hear_end(2 * SAMPLE_RATE)
    assert " ".join(word.text for word in decoder.tentative) == heard
    assert " ".join(word.text for word in decoder.finish()) == heard
