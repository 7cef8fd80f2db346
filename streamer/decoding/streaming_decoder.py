"""The streaming policy: which words are tentative, which are committed, what audio is kept.

One object decodes one open segment. Its window of audio grows until it is cut behind a committed
word; the committed words inside the window are the decoder's forced prefix. At every step the
greedy draft gives tentative words. Words are committed by one of two rules:

* draft: a word that all drafts of the last half second or so gave, and that does not rest on the
  newest audio;
* fused: when the draft rule has something to commit, a small beam is searched, expected words are
  proposed in place of similar ones, the LLM adds its say, and the words of the best hypothesis
  are committed up to the first that another comes close enough to dispute.

When speech pauses, all words but the last are committed, by the same decoding that would end the
segment there: if it does end, nothing is left to compute.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from streamer.audio.clock import SAMPLE_RATE, samples_from_ms
from streamer.decoding.beam import BeamRequest, ScoreRequest
from streamer.decoding.draft import DraftRequest, Prefix, Seen, Token
from streamer.decoding.hot_words import HotWords
from streamer.decoding.loop_guard import loop_start
from streamer.decoding.rescoring import Choice, Pruning, explained, rank, undisputed_words
from streamer.decoding.speech import SpeechDecoder
from streamer.decoding.words import RecognizedWord, timed_words
from streamer.models.fusion.score import Fusion
from streamer.models.moonshine.encoder import Audio
from streamer.models.moonshine.tokenizer import BOS, FRAME_SAMPLES, Tokenizer


@dataclass(frozen=True)
class PolicyOptions:
    agree_ms: float = 768
    """Draft rule: a word is committed once the drafts have given it for this much audio."""
    guard_ms: float = 500
    """Draft rule: words that rest on the newest audio, this much of it, are not committed."""
    max_open_ms: float = 3_000
    """Draft rule: a word older than this is committed as it is."""
    max_window_ms: float = 10_000
    """The window is cut when it grows beyond this."""
    kept_window_ms: float = 4_000
    """What a cut leaves at least."""
    max_wordless_ms: float = 2_000
    """Speech of this length that gives no more words means that the decoder believes its sentence
    has ended: what it gave is committed and the window cut behind it."""
    shown_confidence: float = 0.6
    """Tentative words at the end that begin in the newest audio, `guess_ms` of it, and are less
    likely than this are not shown yet: mostly words cut off, that would be taken back."""
    guess_ms: float = 400
    """See `shown_confidence`."""
    tokens_per_second: float = 6.5
    """Token budget of fresh audio (Moonshine's own limit); more means a loop."""
    spare_tokens: int = 8
    """On top of that budget."""
    doubtful_words: int = 2
    """A whole segment of so few words must be likelier than `doubtful_confidence`: breath and
    knocks that pass for speech give a single unlikely word."""
    doubtful_confidence: float = 0.4
    """See `doubtful_words`."""
    beam_width: int = 10
    """Fused rule: hypotheses that are searched side by side, at most."""
    fused_guard_ms: float = 500
    """Fused rule: as `guard_ms`."""
    fused_every_ms: float = 750
    """Fused rule: audio between two commit points, at least."""
    prune_nats: float = 3.0
    """Fused rule: hypotheses this much less likely than the best by the acoustics alone are not
    shown to the LLM: it would prefer fluent ones to what was said."""
    hot_word_nats: float = 9.0
    """Fused rule: one with an expected word may be so much less likely still."""
    survive_nats: float = 3.5
    """Fused rule: a hypothesis this close to the best keeps open the first word in which the two
    differ, if the word has just ended; the older the word, the closer it must be. What follows
    turns over many words that had hardly a lead, few that had a clear one."""
    decide_ms: float = 2_000
    """Fused rule: nothing keeps open a word of this age."""


class StreamingDecoder:
    """Streaming decoding of one segment. Times are absolute samples."""

    def __init__(
        self,
        speech: SpeechDecoder,
        tokenizer: Tokenizer,
        options: PolicyOptions,
        start_sample: int,
        hot_words: HotWords,
    ) -> None:
        self._hot_words = hot_words
        self._speech = speech
        self._tokenizer = tokenizer
        self._options = options
        self._window_start = start_sample
        self._window_end = start_sample
        self._prefix: list[RecognizedWord] = []
        self._given = Prefix()
        self._seen = Seen((), self._given.cache)
        self._committed_end = start_sample
        self._words: list[RecognizedWord] = []
        self._given_since: list[int] = []
        self._n_chosen = 0
        self._sound = True
        self._fused_at = start_sample
        self._settled_at: int | None = None
        self._any_committed = False

    @property
    def window_start(self) -> int:
        """First sample the next step wants to see."""
        return self._window_start

    @property
    def committed_end(self) -> int:
        """End of the last committed word, or the segment's start."""
        return self._committed_end

    @property
    def settled_at(self) -> int | None:
        """End of the window that `settle` saw, if nothing has changed since."""
        return self._settled_at

    @property
    def tentative(self) -> tuple[RecognizedWord, ...]:
        """The words behind the committed ones, but for newest ones that are only guessed."""
        newest = self._window_end - samples_from_ms(self._options.guess_ms)
        shown = len(self._words)
        while shown:
            word = self._words[shown - 1]
            if word.start_sample < newest or word.confidence >= self._options.shown_confidence:
                break
            shown -= 1
        return tuple(self._words[:shown])

    def recall(self) -> None:
        """Decode the committed words again at the next step: what the decoder remembers of them
        rests on sound that ended sooner, and may tell it that the sentence ends there."""
        self._given = Prefix(self._given.ids)

    def draft(self, audio: Audio, window_end: int) -> None:
        """Renew the tentative words on the window `window_start … window_end`.

        What the fused rule has chosen stands until it is asked again: the drafts that preferred
        something else would only take turns with it on the screen.
        """
        chosen, others = self._words[: self._n_chosen], self._words[self._n_chosen :]
        draft = self._speech.draft(
            DraftRequest(
                audio,
                self._given,
                tuple(_token_ids(others)),
                self._budget(window_end),
                self._tokenizer.closing_marks,
                held=tuple(token for word in chosen for token in word.tokens),
            )
        )
        self._seen = draft.seen
        tokens, prefix = draft.tokens, self._given.ids[1:]
        loop = loop_start([*prefix, *(token.id for token in tokens)])
        self._sound = loop is None and draft.ended
        if loop is not None:
            tokens = tokens[: max(0, loop - len(prefix))]
        self._show(self._timed(tokens, window_end), window_end, self._n_chosen)
        self._settled_at = None

    def commit_by_agreement(
        self, window_end: int, fusion: Fusion | None = None
    ) -> tuple[RecognizedWord, ...]:
        """Draft rule: commit the words that recent drafts agree on; `fusion` is told."""
        count = self._agreed(window_end, self._options.guard_ms) if self._sound else 0
        if self._sound and self._has_stalled(window_end):
            count = len(self._words)
        committed = self._tell(self._take(count), fusion)
        if not self._sound:
            self._show([], window_end)
        self._cut(window_end)
        return committed

    def at_commit_point(self, window_end: int) -> bool:
        """Whether the fused rule wants a say at this step: the drafts agree on something."""
        if not self._sound or self._has_stalled(window_end):
            return True
        waited = window_end - self._fused_at >= samples_from_ms(self._options.fused_every_ms)
        return waited and self._agreed(window_end, self._options.fused_guard_ms) > 0

    def commit_by_fusion(
        self, audio: Audio, window_end: int, fusion: Fusion
    ) -> tuple[RecognizedWord, ...]:
        """Fused rule: commit what no close hypothesis disputes."""
        if not self._sound or self._has_stalled(window_end):
            return self.commit_by_agreement(window_end, fusion)
        self._fused_at = window_end
        newest = window_end - samples_from_ms(self._options.fused_guard_ms)
        choices = self._choices(audio, window_end, newest, fusion)
        if not choices:
            return self.commit_by_agreement(window_end, fusion)
        best = choices[0]
        following = self._timed(best.best.tokens, window_end)[len(best.words) :]
        # Where nothing follows yet, the decoder likes to end its sentence; once that is committed,
        # it takes what comes for another one.
        n_settled = len(best.words) if following else max(0, len(best.words) - 1)
        undisputed = undisputed_words(choices, lambda word: self._margin(word, window_end))
        self._show([*explained(choices), *following], window_end, n_settled)
        committed = self._tell(self._take(min(undisputed, n_settled)), fusion)
        self._cut(window_end)
        return committed

    def settle(self, audio: Audio, window_end: int, fusion: Fusion | None) -> None:
        """Speech pauses or ends at `window_end`: the words as they would stand for good."""
        self.draft(audio, window_end)
        if fusion is not None:
            choices = self._choices(audio, window_end, window_end, fusion)
            if choices:
                self._show(explained(choices), window_end)
        self._settled_at = window_end

    def commit_at_pause(self, fusion: Fusion | None) -> tuple[RecognizedWord, ...]:
        """Commit the settled words but for the last, whose punctuation speech that goes on may
        still change."""
        held = not self._sound or self._is_doubtful()
        return self._tell(self._take(0 if held else max(0, len(self._words) - 1)), fusion)

    def finish(self, fusion: Fusion | None) -> tuple[RecognizedWord, ...]:
        """The segment ends: commit the settled words."""
        if self._is_doubtful():
            self._words = []
        return self._tell(self._take(len(self._words)), fusion)

    def _is_doubtful(self) -> bool:
        """Whether the segment is short and unlikely enough to be no speech at all."""
        alone = not self._any_committed and 0 < len(self._words) <= self._options.doubtful_words
        confidences = [word.confidence for word in self._words]
        return alone and sum(confidences) / len(confidences) < self._options.doubtful_confidence

    def _choices(self, audio: Audio, window_end: int, newest: int, fusion: Fusion) -> list[Choice]:
        """What may have been said up to sample `newest`, the best first."""
        hypotheses = self._speech.beam_search(
            BeamRequest(
                audio,
                self._given,
                self._options.beam_width,
                self._options.prune_nats,
                self._budget(window_end),
            )
        )
        if self._hot_words:
            proposals = self._hot_words.proposals(hypotheses)
            hypotheses += self._speech.score(ScoreRequest(audio, self._given, proposals))
        timed = [(h, self._timed(h.tokens, window_end)) for h in hypotheses]
        pruning = Pruning(self._options.prune_nats, self._options.hot_word_nats)
        return rank(timed, newest, pruning, self._hot_words, fusion)

    def _margin(self, word: RecognizedWord, window_end: int) -> float:
        """How close (nats) a rival must be to keep a word open: closer, the older the word is."""
        age = (window_end - word.end_sample) / samples_from_ms(self._options.decide_ms)
        return self._options.survive_nats * max(0.0, 1 - age)

    def _budget(self, window_end: int) -> int:
        fresh_s = (window_end - self._committed_end) / SAMPLE_RATE
        return int(fresh_s * self._options.tokens_per_second) + self._options.spare_tokens

    def _timed(self, tokens: Sequence[Token], window_end: int) -> list[RecognizedWord]:
        return timed_words(
            tokens, self._tokenizer, self._window_start, window_end, self._committed_end
        )

    def _show(self, words: Sequence[RecognizedWord], window_end: int, n_chosen: int = 0) -> None:
        """Make `words` the tentative ones, the first `n_chosen` of them those of the fused rule.
        One that stands where it stood keeps its age."""
        kept = [
            since if word.key == before.key else window_end
            for word, before, since in zip(words, self._words, self._given_since, strict=False)
        ]
        self._given_since = kept + [window_end] * (len(words) - len(kept))
        self._window_end = window_end
        self._words = list(words)
        self._n_chosen = min(n_chosen, len(self._words))

    def _agreed(self, window_end: int, guard_ms: float) -> int:
        """How many of the leading tentative words the draft rule commits."""
        given = window_end - samples_from_ms(self._options.agree_ms)
        newest = window_end - samples_from_ms(guard_ms)
        forced = window_end - samples_from_ms(self._options.max_open_ms)
        count = 0
        for word, since in zip(self._words[:-1], self._given_since, strict=False):
            if not (word.end_sample <= newest and since <= given) and word.end_sample > forced:
                break
            count += 1
        return count

    def _take(self, count: int) -> tuple[RecognizedWord, ...]:
        """Commit the first `count` tentative words."""
        committed = self._words[:count]
        self._prefix.extend(committed)
        if committed:
            self._given = self._given.followed_by(_token_ids(committed), self._seen)
            self._any_committed = True
            self._committed_end = committed[-1].end_sample
        del self._words[:count], self._given_since[:count]
        self._n_chosen = max(0, self._n_chosen - count)
        return tuple(committed)

    @staticmethod
    def _tell(
        committed: tuple[RecognizedWord, ...], fusion: Fusion | None
    ) -> tuple[RecognizedWord, ...]:
        if fusion is not None:
            fusion.append(" ".join(word.text for word in committed))
        return committed

    def _cut(self, window_end: int) -> None:
        """Drop audio and prefix words that are no longer needed, at the longest pause.

        Sound that gives no words to cut behind is dropped all the same, once the window is
        longer than words may stay open.
        """
        if self._has_stalled(window_end):
            self._move_window(self._committed_end)
            self._prefix, self._given = [], Prefix()
            return
        length = window_end - self._window_start
        if length <= samples_from_ms(self._options.max_window_ms):
            return
        latest = window_end - samples_from_ms(self._options.kept_window_ms)
        best, best_pause = None, -1
        following = [word.start_sample for word in self._prefix[1:]]
        for index, start in enumerate(following):
            pause = start - self._prefix[index].end_sample
            if start <= latest and pause >= best_pause:
                best, best_pause = index, pause
        if best is None:
            if length > samples_from_ms(self._options.max_window_ms + self._options.max_open_ms):
                self._move_window(latest)
                self._committed_end = max(self._committed_end, latest)
                self._prefix, self._given = [], Prefix()
                self._show([], window_end)
            return
        self._move_window((self._prefix[best].end_sample + following[best]) // 2)
        del self._prefix[: best + 1]
        self._given = Prefix((BOS, *_token_ids(self._prefix)))

    def _has_stalled(self, window_end: int) -> bool:
        known = [*self._prefix[-1:], *self._words]
        wordless = samples_from_ms(self._options.max_wordless_ms)
        return bool(known) and window_end - known[-1].end_sample > wordless

    def _move_window(self, to_sample: int) -> None:
        """Encoder frames stay whole."""
        n_frames = (to_sample - self._window_start) // FRAME_SAMPLES
        self._window_start += n_frames * FRAME_SAMPLES
        self._words = [word.earlier(n_frames) for word in self._words]


def _token_ids(words: Sequence[RecognizedWord]) -> list[int]:
    return [token for word in words for token in word.token_ids]
