"""Streaming decoding of one open segment: which words are tentative, what audio is kept.

The window of audio grows until it is cut behind a committed word; the committed words inside the
window are the decoder's forced prefix. At every step the greedy draft gives tentative words. Which
of them are committed is decided by one of two rules, `agreement` and `fused_commit`.

When speech pauses, all words but the last are committed, by the same decoding that would end the
segment there: if it does end, nothing is left to compute.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from streamer.audio.arrays import Floats
from streamer.audio.clock import SAMPLE_RATE, samples_from_ms
from streamer.decoding.decision.agreement import TentativeWord, aged, n_agreed
from streamer.decoding.decision.fused_commit import (
    FusedDecision,
    FusedRule,
    OpenWindow,
    Question,
)
from streamer.decoding.decision.hot_words import HotWords
from streamer.decoding.decision.second_listener import SessionListener
from streamer.decoding.decision.shown_words import ShownWords
from streamer.decoding.draft import DraftRequest, Prefix, Seen
from streamer.decoding.loop_guard import loop_start
from streamer.decoding.options import DecoderOptions
from streamer.decoding.speech import SpeechDecoder
from streamer.decoding.speech_evidence import Probabilities, SpeechEvidence
from streamer.decoding.words import RecognizedWord, cut_behind, token_ids
from streamer.models.fusion.score import Fusion
from streamer.models.moonshine.contract import Audio
from streamer.models.moonshine.tokenizer import BOS


class StreamingDecoder:
    """Streaming decoding of one segment. Times are absolute samples."""

    def __init__(
        self,
        speech: SpeechDecoder,
        options: DecoderOptions,
        start_sample: int,
        hot_words: HotWords,
        fusion: Fusion | None,
        *,
        audio_from: int | None = None,
        listener: SessionListener | None = None,
        read: Callable[[int, int], Floats] | None = None,
        speech_probabilities: Probabilities | None = None,
    ) -> None:
        """
        Args:
            listener: a second listener; `read` gives it the sound between two samples.
            speech_probabilities: what the speech detector says; None: no word is doubted.
            audio_from: where the sound of the segment begins, if before its start: no word is
                said to begin there.
            fusion: reads what is committed, and decides where it is asked to; None: there is no
                LLM.
        """
        self._speech = speech
        self._options = options
        self._fusion = fusion
        self._fused: FusedRule | None = None
        if fusion is not None:
            rule = options.fused
            self._fused = FusedRule(speech, fusion, hot_words, rule, start_sample, listener)
        self._evidence = SpeechEvidence(options.evidence, speech_probabilities)
        self._read = read
        self.listening = listener is not None
        """Whether the second listener is asked."""
        self._window_start = start_sample if audio_from is None else audio_from
        self._window_end = start_sample
        self._committed: list[RecognizedWord] = []
        """Those inside the window."""
        self._prefix = Prefix()
        self._seen = Seen((), self._prefix.cache)
        self._committed_end = start_sample
        self._any_committed = False
        self._tentative: list[TentativeWord] = []
        self._shown = ShownWords(options.shown)
        self._n_chosen = 0
        self._reliable = True
        """Whether the newest draft came to an end of its own."""
        self._end_decoded_at: int | None = None
        self._question: Question | None = None

    @property
    def waits(self) -> bool:
        """Whether the second listener has yet to answer; nothing is committed until then."""
        return self._question is not None

    @property
    def window_start(self) -> int:
        """First sample the next step wants to see."""
        return self._window_start

    @property
    def committed_end(self) -> int:
        """End of the last committed word, or the segment's start."""
        return self._committed_end

    @property
    def end_decoded_at(self) -> int | None:
        """End of the window that `decode_end` saw, if nothing has changed since."""
        return self._end_decoded_at

    @property
    def tentative(self) -> tuple[RecognizedWord, ...]:
        """The words behind the committed ones that are shown, as far as they have speech under
        them: see `shown_words`."""
        words = self._shown.words
        return tuple(words[: self._evidence.n_supported(self._committed, words)])

    def forget_prefix(self) -> None:
        """Decode the committed words again at the next step: what the decoder remembers of them
        rests on sound that ended sooner, and may tell it that the sentence ends there."""
        self._prefix = Prefix(self._prefix.ids)

    def draft(self, audio: Audio, window_end: int) -> None:
        """Renew the tentative words on the window `window_start … window_end`.

        What the fused rule has chosen stands until it decides again: the drafts that preferred
        something else would only take turns with it on the screen.
        """
        window, words = self._window(audio, window_end), self._tentative_words()
        chosen, others = words[: self._n_chosen], words[self._n_chosen :]
        draft = self._speech.draft(
            DraftRequest(
                audio,
                window.prefix,
                tuple(token_ids(others)),
                window.max_tokens,
                self._speech.tokenizer.closing_marks,
                held=tuple(token for word in chosen for token in word.tokens),
            )
        )
        self._seen = draft.seen
        tokens = draft.tokens
        before = [token for word in self._committed for token in word.tokens]
        loop = loop_start([*before, *tokens])
        self._reliable = loop is None and draft.ended
        if loop is not None:
            tokens = tokens[: max(0, loop - len(before))]
        self._set_tentative(window.words(tokens), window_end, self._n_chosen)
        self._end_decoded_at = None

    def commit_by_agreement(self, window_end: int) -> tuple[RecognizedWord, ...]:
        """Commit the words that recent drafts agree on."""
        count, stalled = 0, False
        if self._reliable:
            rule = self._options.agreement
            count = n_agreed(self._tentative, window_end, rule, rule.guard_ms)
            stalled = self._has_stalled(window_end)
            if stalled:
                count = len(self._tentative)
        committed = self._commit(count)
        if stalled and self._tentative:  # without speech under them
            self._begin_at(self._tentative[-1].word.end_sample)
        if stalled or not self._reliable:
            self._drop_tentative()
        self._cut(window_end)
        return committed

    def at_commit_point(self, window_end: int) -> bool:
        """Whether `commit_by_fusion` wants a say at this step."""
        if self.waits:
            return False
        if self._fused is None or not self._reliable or self._has_stalled(window_end):
            return True
        return self._fused.is_due(self._tentative, window_end, self._options.agreement)

    def commit_by_fusion(self, audio: Audio, window_end: int) -> tuple[RecognizedWord, ...]:
        """Commit what no close hypothesis disputes; where there is none to decide on, what the
        drafts agree on. What the second listener is asked about is committed when it has answered:
        see `settle`."""
        if self._fused is None or not self._reliable or self._has_stalled(window_end):
            return self.commit_by_agreement(window_end)
        return () if self._ask(self._fused, audio, window_end, ended=False) else self.settle()

    def settle(self) -> tuple[RecognizedWord, ...]:
        """Wait for what the second listener was asked about, and commit by it. What was drafted
        since is to be drafted again, and the window may have been cut."""
        question = self._question
        if question is None:
            return ()
        decision, end = self._take_answer(), question.window.end_sample
        if question.ended:
            unchanged = decision is not None or self._end_decoded_at == end
            return self.commit_at_pause() if unchanged else ()
        if decision is None:
            return self.commit_by_agreement(self._window_end)
        committed = self._commit(decision.n_committed)
        self._cut(end)
        return committed

    def decode_end(self, audio: Audio, window_end: int, *, fused: bool) -> None:
        """Speech pauses or ends at `window_end`: the words as they would stand for good, or as soon
        as the second listener has answered.

        Args:
            fused: whether the LLM has a say.
        """
        self.draft(audio, window_end)
        if fused and self._fused and not self._ask(self._fused, audio, window_end, ended=True):
            self._take_answer()
        self._shown.renew(self._tentative_words(), window_end, at_once=True)
        self._end_decoded_at = window_end

    def commit_at_pause(self) -> tuple[RecognizedWord, ...]:
        """Commit the words of `decode_end` but for the last, whose punctuation speech that goes on
        may still change."""
        held = not self._reliable or self._is_doubtful()
        return self._commit(0 if held else max(0, len(self._tentative) - 1))

    def finish(self) -> tuple[RecognizedWord, ...]:
        """The segment ends: commit the words of `decode_end`."""
        self._take_answer()
        committed = self._commit(0 if self._is_doubtful() else len(self._tentative))
        self._drop_tentative()
        return committed

    def _ask(self, rule: FusedRule, audio: Audio, window_end: int, *, ended: bool) -> bool:
        """Ask the fused rule; whether the second listener has to be waited for."""
        window = self._window(audio, window_end)
        if self.listening and self._read is not None:
            samples = self._read(self._window_start, window_end)
            said = " ".join(word.text for word in self._committed)
            window = replace(window, samples=samples, said=said)
        self._question = rule.ask(window, ended=ended)
        return self._question.heard is not None

    def _take_answer(self) -> FusedDecision | None:
        """Make the words of the decision, if there is one to be had, the tentative ones; those of
        later drafts are found again."""
        question, self._question = self._question, None
        if self._fused is None or question is None:
            return None
        decision = self._fused.decide(question, self._tentative_words())
        if decision is not None:
            self._set_tentative(decision.words, question.window.end_sample, decision.n_chosen)
        return decision

    def _is_doubtful(self) -> bool:
        """Whether the segment is short and unlikely enough to be no speech at all."""
        alone = not self._any_committed and 0 < len(self._tentative) <= self._options.doubtful_words
        words = self._tentative_words()
        confidence = sum(word.confidence for word in words) / max(1, len(words))
        if not alone or confidence >= self._options.doubtful_confidence:
            return False
        return self._fused is None or not self._fused.supports(words)

    def _window(self, audio: Audio, window_end: int) -> OpenWindow:
        fresh_s = (window_end - self._committed_end) / SAMPLE_RATE
        budget = int(fresh_s * self._options.tokens_per_second) + self._options.spare_tokens
        return OpenWindow(
            audio,
            self._prefix,
            self._speech.tokenizer,
            self._window_start,
            window_end,
            self._committed_end,
            budget,
            self._speech.frame_samples,
        )

    def _tentative_words(self) -> list[RecognizedWord]:
        return [each.word for each in self._tentative]

    def _set_tentative(
        self, words: Sequence[RecognizedWord], window_end: int, n_chosen: int = 0
    ) -> None:
        """Make `words` the tentative ones, the first `n_chosen` of them those of the fused rule.
        One that stands where it stood keeps its age."""
        self._tentative = aged(words, self._tentative, window_end)
        self._shown.renew(words, window_end)
        self._window_end = window_end
        self._n_chosen = min(n_chosen, len(words))

    def _drop_tentative(self) -> None:
        self._tentative, self._n_chosen = [], 0
        self._shown.clear()

    def _commit(self, count: int) -> tuple[RecognizedWord, ...]:
        """Commit the first `count` tentative words, as far as they have speech under them."""
        words = self._tentative_words()[:count]
        committed = words[: self._evidence.n_supported(self._committed, words)]
        if committed:
            self._committed.extend(committed)
            self._prefix = self._prefix.followed_by(token_ids(committed), self._seen)
            self._any_committed = True
            self._committed_end = committed[-1].end_sample
            if self._fusion is not None:
                self._fusion.append(" ".join(word.text for word in committed))
        del self._tentative[: len(committed)]
        self._shown.commit(committed, self._tentative_words(), self._window_end)
        self._n_chosen = max(0, self._n_chosen - len(committed))
        return tuple(committed)

    def _has_stalled(self, window_end: int) -> bool:
        known = [*self._committed[-1:], *self._tentative_words()]
        wordless = samples_from_ms(self._options.max_wordless_ms)
        return bool(known) and window_end - known[-1].end_sample > wordless

    def _cut(self, window_end: int) -> None:
        """Drop audio and prefix words that are no longer needed, at the longest pause.

        Sound that gives no words to cut behind is dropped all the same, once the window is
        longer than words may stay open.
        """
        options = self._options
        if self._has_stalled(window_end):
            self._begin_at(self._committed_end)
            return
        length = window_end - self._window_start
        if length <= samples_from_ms(options.max_window_ms):
            return
        latest = window_end - samples_from_ms(options.kept_window_ms)
        best = cut_behind(self._committed, latest)
        if best is None:
            if length > samples_from_ms(options.max_window_ms + options.agreement.max_open_ms):
                self._begin_at(latest)
                self._drop_tentative()
            return
        behind, before = self._committed[best : best + 2]
        self._move_window((behind.end_sample + before.start_sample) // 2)
        del self._committed[: best + 1]
        self._prefix = Prefix((BOS, *token_ids(self._committed)))

    def _begin_at(self, sample: int) -> None:
        """Forget all before the sample."""
        self._move_window(sample)
        self._committed_end = max(self._committed_end, sample)
        self._committed, self._prefix = [], Prefix()

    def _move_window(self, to_sample: int) -> None:
        """Encoder frames stay whole."""
        frame_samples = self._speech.frame_samples
        n_frames = (to_sample - self._window_start) // frame_samples
        self._window_start += n_frames * frame_samples
        self._committed = [word.earlier(n_frames) for word in self._committed]
        self._tentative = [
            replace(each, word=each.word.earlier(n_frames)) for each in self._tentative
        ]
