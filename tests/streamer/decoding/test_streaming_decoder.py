from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest

from streamer.audio.arrays import Floats
from streamer.decoding.hot_words import HotWords
from streamer.decoding.speech import SpeechModels
from streamer.decoding.streaming_decoder import PolicyOptions, StreamingDecoder
from streamer.decoding.words import RecognizedWord
from streamer.models.fusion.score import Candidate, Terms
from streamer.models.moonshine.encoder import Audio
from streamer.transcript.wer import word_errors
from tests.speech_fakes import (
    GAP_SAMPLES,
    WORD_SAMPLES,
    PreferringFusion,
    ToneDecoder,
    ToneTokenizer,
    silence,
    spoken,
    text,
    tone_models,
)
from tests.speech_models import Clip, attend, offline

HOP = 4_096
START = 16_000_000
"""Segments begin late in a session: times must be absolute."""
OPTIONS = PolicyOptions()


class Stream:
    """Feeds one segment to a decoder in hops, and checks the contract at every step."""

    def __init__(
        self,
        models: SpeechModels,
        options: PolicyOptions | None = None,
        hot_words: Sequence[str] = (),
    ) -> None:
        self.models = models
        self.options = options or PolicyOptions()
        self.segment = StreamingDecoder(
            models, models.tokenizer, self.options, START, HotWords(hot_words, models.tokenizer)
        )
        self.committed: list[RecognizedWord] = []
        self.longest_window = 0
        self.fusion: PreferringFusion | None = None
        self.fused_text: list[str] = []

    def hops(self, samples: Floats) -> Iterator[int]:
        """Yields the end of each step."""
        for end in range(HOP, len(samples) + 1, HOP):
            self._step(samples, START + end)
            yield START + end

    def listen(self, samples: Floats) -> str:
        for _ in self.hops(samples):
            pass
        self.settle(samples, START + len(samples))
        self._take(self.segment.finish(self.fusion))
        assert self.segment.tentative == ()
        return " ".join(word.text for word in self.committed)

    def settle(self, samples: Floats, end: int) -> None:
        self.segment.settle(self._attend(samples, end), end, self.fusion)
        assert self.segment.settled_at == end

    def pause(self, samples: Floats, end: int) -> None:
        self.settle(samples, end)
        self._take(self.segment.commit_at_pause(self.fusion))

    def _attend(self, samples: Floats, end: int) -> Audio:
        window = samples[self.segment.window_start - START : end - START]
        self.longest_window = max(self.longest_window, len(window))
        return attend(self.models, np.append(window, silence(max(0, 1_600 - len(window)))))

    def _step(self, samples: Floats, end: int) -> None:
        audio = self._attend(samples, end)
        self.segment.draft(audio, end)
        if self.fusion is None:
            committed = self.segment.commit_by_agreement(end)
            guard = self.options.guard_ms
        elif self.segment.at_commit_point(end):
            committed = self.segment.commit_by_fusion(audio, end, self.fusion)
            guard = self.options.fused_guard_ms
        else:
            return
        self._take(committed)
        assert all(word.end_sample <= end - guard * 16 for word in committed)

    def _take(self, words: tuple[RecognizedWord, ...]) -> None:
        start = self.committed[-1].end_sample if self.committed else START
        for word in (*words, *self.segment.tentative):
            assert start <= word.start_sample <= word.end_sample
            start = word.end_sample
        self.committed.extend(words)
        if self.committed:
            assert self.segment.committed_end == self.committed[-1].end_sample


def tones(words: list[int], rest: float = 0.4) -> Floats:
    return np.concatenate([spoken(words), silence(round(rest * 16_000))])


def test_words_are_committed_in_order_while_they_are_said() -> None:
    said = list(range(10, 30))
    stream = Stream(tone_models())
    counts = [len(stream.committed) for _ in stream.hops(tones(said))]
    assert counts[-1] >= 15
    assert len(set(counts)) > 5  # little by little
    assert stream.listen(silence(0)) == text(said[: counts[-1]])


def test_the_whole_text_comes_out_and_wild_guesses_do_not() -> None:
    said = list(range(10, 80))
    stream = Stream(tone_models())
    assert stream.listen(tones(said)) == text(said)


def test_the_window_stays_bounded_and_is_cut_between_words() -> None:
    said = [10 + i % 70 for i in range(200)]  # a minute without a pause
    options = PolicyOptions(max_window_ms=6_000, kept_window_ms=2_000)
    stream = Stream(tone_models(), options)
    assert stream.listen(tones(said)) == text(said)
    assert stream.longest_window <= 6_000 * 16 + HOP
    # Where a word was cut off at the window's start it would have been guessed at.


def test_a_cut_is_made_at_the_longest_pause() -> None:
    said = np.concatenate([spoken([10, 11, 12, 13]), silence(8_000), spoken(list(range(14, 40)))])
    stream = Stream(tone_models(), PolicyOptions(max_window_ms=4_000, kept_window_ms=1_000))
    pause = 4 * (WORD_SAMPLES + GAP_SAMPLES)
    for _ in stream.hops(said):
        if stream.segment.window_start > START:
            break
    assert pause - GAP_SAMPLES <= stream.segment.window_start - START <= pause + 8_000


@pytest.mark.parametrize("fused", [False, True])
def test_a_pause_commits_all_but_the_last_word_and_the_end_computes_nothing(fused: bool) -> None:
    said = list(range(10, 20))
    stream = Stream(tone_models())
    stream.fusion = PreferringFusion("") if fused else None
    samples = tones(said)
    for _ in stream.hops(samples):
        pass
    stream.pause(samples, START + len(samples))
    assert [word.text for word in stream.committed] == text(said[:-1]).split()
    assert [word.text for word in stream.segment.tentative] == [f"w{said[-1]}"]
    stream._take(stream.segment.finish(stream.fusion))  # no audio: nothing is decoded
    assert [word.text for word in stream.committed] == text(said).split()
    if stream.fusion is not None:
        assert " ".join(stream.fusion.appended) == text(said)


def test_a_newest_word_that_is_only_guessed_is_not_shown_until_it_stands_a_while() -> None:
    guessed = ToneDecoder(rivals={14: dict.fromkeys(range(50, 60), 9.0)})
    stream = Stream(tone_models(guessed), PolicyOptions(guess_ms=400))
    samples = tones(list(range(10, 20)))
    begins = START + 4 * (WORD_SAMPLES + GAP_SAMPLES)
    first_seen = {}
    for end in stream.hops(samples):
        for word in stream.segment.tentative:
            first_seen.setdefault(word.text, end)
    assert first_seen["w13"] - (begins - WORD_SAMPLES - GAP_SAMPLES) < WORD_SAMPLES + HOP
    assert first_seen["w14"] - begins >= 400 * 16
    assert first_seen["w14"] <= first_seen["w16"]  # a likely word behind it shows it


def test_speech_may_go_on_after_a_pause() -> None:
    first, second = list(range(10, 20)), list(range(20, 30))
    samples = np.concatenate([tones(first), spoken(second), silence(8_000)])
    pause = START + len(tones(first)) // HOP * HOP
    stream = Stream(tone_models())
    for end in stream.hops(samples):
        if end == pause:
            stream.pause(samples, end)
    assert stream.segment.settled_at is None
    assert stream.listen(samples) == text(first + second)


def test_a_doubtful_beginning_is_not_committed_at_a_pause() -> None:
    doubtful = ToneDecoder(rivals={word: dict.fromkeys(range(50, 60), 9.0) for word in (10, 11)})
    stream = Stream(tone_models(doubtful))
    samples = tones([10, 11], rest=0.5)
    stream.pause(samples, START + len(samples))
    assert len(stream.segment.tentative) == 2
    assert stream.segment.finish(None) == ()


def test_how_long_a_word_was_given_is_counted_in_audio_not_in_steps() -> None:
    said = list(range(10, 30))
    first_commit = {}
    for hop in (1_024, 4_096):
        segment = StreamingDecoder(
            tone_models(), ToneTokenizer(), OPTIONS, START, HotWords((), ToneTokenizer())
        )
        models = tone_models()
        for at in range(hop, len(tones(said)), hop):
            audio = attend(models, tones(said)[:at])
            segment.draft(audio, START + at)
            if segment.commit_by_agreement(START + at):
                first_commit[hop] = at
                break
    assert abs(first_commit[1_024] - first_commit[4_096]) <= 4_096


def test_a_loop_is_never_committed_and_its_draft_is_dropped() -> None:
    said = list(range(10, 30))
    stream = Stream(tone_models(ToneDecoder(loops_on=15)))
    for _ in stream.hops(tones(said)):
        assert stream.segment.tentative == () or len(stream.segment.tentative) < 25
    words = [word.text for word in stream.committed]
    assert words == text(said[: len(words)]).split()
    assert "w15" not in words[:-1]
    assert words.count("w15") <= 1


@pytest.mark.parametrize("fused", [False, True])
def test_a_decoder_that_believes_its_sentence_has_ended_begins_anew(fused: bool) -> None:
    class Deaf(ToneDecoder):
        """Hears nothing from word 20 on, unless the window begins with it."""

        def hear(self, sound: Floats) -> list[tuple[int, int]]:
            heard = super().hear(sound)
            words = [word for word, _ in heard]
            return heard[: words.index(20)] if 20 in words[1:] else heard

    said = list(range(10, 40))
    stream = Stream(tone_models(Deaf()))
    stream.fusion = PreferringFusion("") if fused else None
    assert stream.listen(tones(said)) == text(said)


def test_a_word_that_never_settles_is_committed_when_it_is_old() -> None:
    class Fickle(ToneDecoder):
        """Changes its mind about word 12 at every look."""

        def hear(self, sound: Floats) -> list[tuple[int, int]]:
            mood = len(sound) // HOP % 2
            heard = super().hear(sound)
            return [(40 + mood if word == 12 else word, at) for word, at in heard]

    said = list(range(10, 40))
    stream = Stream(tone_models(Fickle()), PolicyOptions(max_open_ms=2_000))
    for end in stream.hops(tones(said)):
        fickle = [word for word in stream.committed if word.text in ("w40", "w41")]
        if fickle:
            assert 2_000 * 16 <= end - fickle[0].end_sample < 2_000 * 16 + HOP
            break
    else:
        pytest.fail("the word stayed open")


def test_the_llm_chooses_among_what_the_acoustics_leave_open() -> None:
    said = [10, 20, 30, 40, 50, 60, 70, 80]
    rivals = {30: {31: 9.0, 32: -5.0}}
    for favourite, expected in (("w30", "w30"), ("w31", "w31"), ("w32", "w30")):
        stream = Stream(tone_models(ToneDecoder(rivals=rivals)))
        stream.fusion = PreferringFusion(favourite)
        heard = stream.listen(tones(said)).split()
        # What the acoustics rule out (w32) the LLM is not even asked about.
        assert heard == text(said).replace("w30", expected).split()
        assert all(len(set(texts)) == len(texts) > 1 for texts in stream.fusion.asked)
        asked = {word for texts in stream.fusion.asked for one in texts for word in one.split()}
        assert {"w30", "w31"} <= asked
        assert "w32" not in asked
        assert " ".join(stream.fusion.appended).split() == heard


def test_what_the_llm_chose_stays_on_the_screen() -> None:
    class Torn(PreferringFusion):
        """Prefers its word, but not by enough to commit it."""

        def terms(self, candidates: Sequence[Candidate]) -> list[Terms]:
            found = super().terms(candidates)
            return [replace(terms, audio=0.0, text=min(terms.text, 0.4)) for terms in found]

    stream = Stream(tone_models(ToneDecoder(rivals={14: {50: 9.9}})))
    stream.fusion = Torn("w50")
    shown = []
    for _ in stream.hops(tones(list(range(10, 40)))):
        words = [word.text for word in (*stream.committed, *stream.segment.tentative)]
        shown.append(words[4] if len(words) > 4 else "")
    changes = [word for word, before in zip(shown, ["", *shown], strict=False) if word != before]
    # The draft hears w14; the LLM is asked several times, and never is w14 shown again.
    assert len(stream.fusion.asked) > 2
    assert [word for word in changes if word in ("w14", "w50")] == ["w14", "w50"]


def test_the_last_word_waits_until_something_follows() -> None:
    stream = Stream(tone_models(), PolicyOptions(fused_guard_ms=100.0))
    stream.fusion = PreferringFusion("")
    samples = np.append(tones([10, 20, 30, 40], rest=1.3), tones([50, 60, 70]))
    counts = [len(stream.committed) for _ in stream.hops(samples)]
    before_50 = len(tones([10, 20, 30, 40], rest=1.3)) // HOP
    assert counts[before_50 - 1] == 3  # 40 may be the end of a sentence, or not
    assert counts[-1] > 3


def test_the_llm_is_not_asked_where_there_is_no_choice() -> None:
    stream = Stream(tone_models(), PolicyOptions(prune_nats=2.0))
    stream.fusion = PreferringFusion("w10")
    said = [10, 20, 30, 40, 50, 60]
    assert stream.listen(tones(said)) == text(said)
    assert stream.fusion.asked == []


def test_close_rivals_keep_a_word_open() -> None:
    class Undecided(PreferringFusion):
        def terms(self, candidates: Sequence[Candidate]) -> list[Terms]:
            return [Terms(0.0, 0.0, 0.0, 0.0) for _ in candidates]

    said = list(range(10, 40))
    rivals = {14: {50: 9.9}}
    stream = Stream(tone_models(ToneDecoder(rivals=rivals)), PolicyOptions(decide_ms=3_000))
    stream.fusion = Undecided("")
    open_for = 0
    word_end = START + 5 * (WORD_SAMPLES + GAP_SAMPLES)
    for end in stream.hops(tones(said)):
        if len(stream.committed) <= 4:
            open_for = end - word_end
    assert len(stream.committed) > 5  # the cap on how long a word may stay open
    assert 3_000 * 16 - 2 * WORD_SAMPLES <= open_for <= 3_000 * 16 + 4 * HOP


def test_an_expected_word_comes_in_for_one_that_the_beam_took_it_for() -> None:
    said = [30, 40, 20, 50, 60, 70, 80]
    models = tone_models(ToneDecoder(rivals={20: {21: 5.0}}))
    stream = Stream(models, PolicyOptions(beam_width=1), hot_words=["w21"])
    stream.fusion = PreferringFusion("")
    assert stream.listen(tones(said)) == text(said).replace("w20", "w21")
    decision = stream.committed[2].decision
    assert decision is not None
    assert (decision.rival, decision.text, decision.hot_words) == ("w20", 0.0, 10.0)
    assert decision.audio == pytest.approx(-5.0, abs=0.1)
    assert {word.decision for word in stream.committed if word is not stream.committed[2]} == {None}


def test_without_any_finished_hypothesis_the_draft_decides() -> None:
    stream = Stream(tone_models(ToneDecoder(loops_on=20)))
    stream.fusion = PreferringFusion("")
    heard = stream.listen(tones([10, 11, 12, 13, 20, 30, 31, 32, 33])).split()
    assert heard.count("w20") <= 1


@pytest.mark.parametrize(
    ("said", "likely", "heard"),
    [
        ([10], False, ""),
        ([10, 11], False, ""),
        ([10, 11, 12], False, text([10, 11, 12])),
        ([10], True, text([10])),
    ],
)
def test_a_segment_of_a_few_unlikely_words_is_no_speech(
    said: list[int], likely: bool, heard: str
) -> None:
    rivals = {} if likely else {word: dict.fromkeys(range(50, 60), 9.0) for word in said}
    stream = Stream(tone_models(ToneDecoder(rivals=rivals)))
    assert stream.listen(tones(said, rest=0.1)) == heard


@pytest.mark.slow
def test_streaming_real_speech_comes_close_to_decoding_it_whole(
    speech_models: SpeechModels, clips: list[Clip]
) -> None:
    errors = []
    for clip in (clips[-1], clips[5]):
        stream = Stream(speech_models)
        streamed = stream.listen(np.concatenate([clip.samples, silence(HOP)]))
        errors.append(word_errors(offline(speech_models, clip.samples), streamed))
    assert sum(errors[1:], errors[0]).rate <= 0.15


@pytest.mark.slow
def test_half_a_minute_of_real_speech_without_a_pause(
    speech_models: SpeechModels, clips: list[Clip]
) -> None:
    parts, reference = [], ""
    for clip in clips[4:8]:
        loud = np.flatnonzero(np.abs(clip.samples) > 0.03)
        parts.append(clip.samples[loud[0] : loud[-1]])
        reference += " " + clip.text
    samples = np.concatenate(parts)
    assert len(samples) > 30 * 16_000
    stream = Stream(speech_models)
    assert word_errors(reference, stream.listen(samples)).rate <= 0.25
    assert stream.longest_window <= (10_000 + 4_000) * 16
