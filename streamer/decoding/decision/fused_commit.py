"""The fused rule: words are committed when no close hypothesis disputes them.

A small beam is searched, expected words are proposed in place of similar ones, and the LLM adds
its say. The words of the best hypothesis are committed up to the first that another comes close
enough to dispute.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace

from streamer.audio.arrays import Floats
from streamer.audio.clock import samples_from_ms
from streamer.decoding.beam import BeamHypothesis, BeamRequest, ScoreRequest
from streamer.decoding.decision.agreement import AgreementOptions, TentativeWord, n_agreed
from streamer.decoding.decision.crossings import crossings, word_keys
from streamer.decoding.decision.hot_words import HotWords
from streamer.decoding.decision.rescoring import (
    Choice,
    Judged,
    Pruning,
    explained,
    rank,
    undisputed_words,
)
from streamer.decoding.decision.second_listener import SessionListener
from streamer.decoding.draft import Prefix, Token
from streamer.decoding.speech import SpeechDecoder
from streamer.decoding.words import RecognizedWord, shared_words, timed_words
from streamer.models.fusion.score import Fusion
from streamer.models.moonshine.contract import Audio
from streamer.models.moonshine.tokenizer import FRAME_SAMPLES, Tokenizer


@dataclass(frozen=True)
class FusedOptions:
    beam_width: int = 10
    """Hypotheses that are searched side by side, at most."""
    guard_ms: float = 300
    """Words that rest on the newest audio, this much of it, are not committed."""
    every_ms: float = 512
    """Audio between two commit points, at least."""
    prune_nats: float = 3.0
    """Hypotheses this much less likely than the best by the acoustics alone are not shown to the
    LLM: it would prefer fluent ones to what was said."""
    hot_word_nats: float = 9.0
    """One with an expected word may be so much less likely still."""
    survive_nats: float = 3.5
    """A hypothesis this close to the best keeps open the first word in which the two differ, if
    the word has just ended; the older the word, the closer it must be. What follows turns over
    many words that had hardly a lead, few that had a clear one."""
    stand_nats: float = 2.0
    """What the drafts have shown stands in for what is no more than this better, while nothing is
    committed of the difference: what is as good by turns would take turns on the screen."""
    decide_ms: float = 2_000
    """Nothing keeps open a word of this age."""
    second_weight: float = 1.3
    """Of the second listener's log-probability beside the first's. With the next option the best
    on 354 development clips heard whole (reading, non-native, turns of meetings): 12.3 % of words
    wrong with 1.0 and 0.5, 12.1 % with these, 6.2 % if the best candidate were always taken."""
    second_word_nats: float = 1.0
    """For each word where the second listener is asked: it leaves out what is hard to hear."""
    second_prune_nats: float = 6.0
    """As `prune_nats`, by what both listeners say together."""
    crossed: int = 3
    """Of our hypotheses so many are crossed with the second listener's."""
    doubt_nats: float = 2.0
    """The second listener is asked where a rival is no more than this behind the best; always, if
    it is infinite. On development clips it let 87 of 90 decisions stand that were clearer, and
    changed 17 of 35 others."""
    doubt_confidence: float = 0.4
    """It is asked about any word that is less likely than this, too."""
    doubt_words: int = 3
    """And about a segment of so few words: breath and knocks may pass for speech."""


@dataclass(frozen=True, eq=False)
class OpenWindow:
    """The sound that a segment's decoder attends to at one step, from `start_sample` to
    `end_sample`, and what has been committed of it."""

    audio: Audio
    prefix: Prefix
    tokenizer: Tokenizer
    start_sample: int
    end_sample: int
    committed_end: int
    max_tokens: int
    """Budget for what follows the prefix."""
    frame_samples: int = FRAME_SAMPLES
    """Samples that a state of `audio` stands for."""
    samples: Floats | None = None
    """The sound itself, for a second listener; None: it is not asked."""
    said: str = ""
    """What has been committed of it."""

    def words(self, tokens: Sequence[Token]) -> list[RecognizedWord]:
        """The words that the tokens behind the prefix are."""
        return timed_words(
            tokens,
            self.tokenizer,
            self.start_sample,
            self.end_sample,
            self.committed_end,
            self.frame_samples,
        )


@dataclass(frozen=True)
class Heard:
    """What both listeners say of a window."""

    judged: list[Judged]
    seconds_words: frozenset[str]
    """Those that the second one heard, without case and marks."""


@dataclass(frozen=True, eq=False)
class Question:
    """What may have been said in a window, before it is decided."""

    window: OpenWindow
    ended: bool
    """Whether nothing follows."""
    choices: list[Choice]
    """By the first listener and the LLM, the best first."""
    heard: Future[Heard] | None
    """They are in doubt, and the second listener is asked; None: they are not."""


@dataclass(frozen=True)
class FusedDecision:
    """What the rule makes of a window."""

    words: list[RecognizedWord]
    """Those of the best hypothesis: the chosen ones, and what it goes on with."""
    n_chosen: int
    """Words that the LLM had a say in: drafts do not question them until it is asked again."""
    n_committed: int
    """Words that nothing close disputes."""


class FusedRule:
    """The rule for one segment."""

    def __init__(
        self,
        speech: SpeechDecoder,
        fusion: Fusion,
        hot_words: HotWords,
        options: FusedOptions,
        start_sample: int,
        listener: SessionListener | None = None,
    ) -> None:
        """
        Args:
            listener: the second listener, if there is one.
        """
        self._listener = listener
        self._supported: frozenset[str] | None = None
        self._speech = speech
        self._fusion = fusion
        self._hot_words = hot_words
        self._options = options
        self._decided_at = start_sample

    def supports(self, words: Sequence[RecognizedWord]) -> bool:
        """Whether the second listener heard one of the words, when it was asked last."""
        return self._supported is not None and any(word.key in self._supported for word in words)

    def is_due(
        self, words: Sequence[TentativeWord], window_end: int, agreement: AgreementOptions
    ) -> bool:
        """Whether there is something to commit: the drafts agree on it."""
        waited = window_end - self._decided_at >= samples_from_ms(self._options.every_ms)
        return waited and n_agreed(words, window_end, agreement, self._options.guard_ms) > 0

    def ask(self, window: OpenWindow, *, ended: bool = False) -> Question:
        """Look for what may have been said; the second listener hears it beside what follows.

        Args:
            ended: nothing follows.
        """
        options, listener, samples = self._options, self._listener, window.samples
        self._decided_at = window.end_sample
        hypotheses = self._speech.beam_search(
            BeamRequest(
                window.audio,
                window.prefix,
                options.beam_width,
                options.prune_nats,
                window.max_tokens,
            )
        )
        if self._hot_words:
            proposals = self._hot_words.proposals(hypotheses)
            request = ScoreRequest(window.audio, window.prefix, proposals)
            hypotheses += self._speech.score(request)
        judged = [Judged(each, window.words(each.tokens)) for each in hypotheses]
        always = math.isinf(options.doubt_nats)
        if listener is None or samples is None or not judged:
            choices = self._rank(judged, window, options.prune_nats, ended=ended)
            return Question(window, ended, choices, None)
        choices = [] if always else self._rank(judged, window, options.prune_nats, ended=ended)
        alone = ended and not window.said and len(judged[0].words) <= options.doubt_words
        heard = None
        if always or alone or self._in_doubt(choices):
            heard = listener.beside(lambda: self._heard_twice(listener, window, samples, judged))
        return Question(window, ended, choices, heard)

    def decide(
        self, question: Question, drafted: Sequence[RecognizedWord] = ()
    ) -> FusedDecision | None:
        """What to commit of it; None if no hypothesis has come to an end. Waits for the second
        listener, if it was asked.

        Args:
            drafted: the tentative words so far.
        """
        window, ended, choices = question.window, question.ended, question.choices
        self._supported = None
        if question.heard is not None:
            heard = question.heard.result()
            self._supported = heard.seconds_words
            pruned = self._options.second_prune_nats
            choices = self._rank(heard.judged, window, pruned, ended=ended)
        if not choices:
            return None
        best = choices[0]
        if ended:
            return FusedDecision(explained(choices), 0, len(best.words))
        undisputed = undisputed_words(choices, lambda word: self._margin(word, window.end_sample))
        choices = self._standing(choices, drafted, undisputed)
        best = choices[0]
        following = window.words(best.best.tokens)[len(best.words) :]
        # Where nothing follows yet, the decoder likes to end its sentence; once that is committed,
        # it takes what comes for another one.
        n_chosen = len(best.words) if following else max(0, len(best.words) - 1)
        if shared_words([best.words, drafted]) == len(best.words) < len(drafted):
            following = list(drafted[len(best.words) :])
        words = [*explained(choices), *following]
        return FusedDecision(words, n_chosen, min(undisputed, n_chosen))

    def _standing(
        self, choices: list[Choice], drafted: Sequence[RecognizedWord], undisputed: int
    ) -> list[Choice]:
        """The choices; in front what was drafted, if the best is hardly better and parts from it
        only behind what is undisputed."""
        best = choices[0]
        for at, choice in enumerate(choices):
            if best.terms.total - choice.terms.total > self._options.stand_nats:
                break
            as_drafted = shared_words([choice.words, drafted]) == len(choice.words)
            if as_drafted and shared_words([best.words, choice.words]) >= undisputed:
                return [choice, *choices[:at], *choices[at + 1 :]]
        return choices

    def _rank(
        self, judged: Sequence[Judged], window: OpenWindow, prune_nats: float, *, ended: bool
    ) -> list[Choice]:
        guard = 0 if ended else samples_from_ms(self._options.guard_ms)
        pruning = Pruning(prune_nats, self._options.hot_word_nats)
        return rank(judged, window.end_sample - guard, pruning, self._hot_words, self._fusion)

    def _in_doubt(self, choices: Sequence[Choice]) -> bool:
        """Whether it may be otherwise: a rival is close, or a word unlikely."""
        options = self._options
        best, *rivals = choices
        rival = max((rival.terms.total for rival in rivals), default=-math.inf)
        close = best.terms.total - rival <= options.doubt_nats
        return close or any(word.confidence < options.doubt_confidence for word in best.words)

    def _heard_twice(
        self,
        listener: SessionListener,
        window: OpenWindow,
        samples: Floats,
        judged: Sequence[Judged],
    ) -> Heard:
        """Our hypotheses, those of the second listener and what lies between, judged by both."""
        tokenizer = window.tokenizer
        hearing = listener.hear(samples, window.said)
        likeliest = sorted(judged, key=lambda each: -each.logprob)
        ours = [_text(each.hypothesis, tokenizer) for each in likeliest]
        theirs = [hypothesis.text for hypothesis in hearing.hypotheses]
        known = {word_keys(text) for text in ours}
        # Maybe no text at all: what one listener makes of a noise is silence to the other.
        new = [text for text in theirs if word_keys(text) not in known]
        new += crossings(ours[: self._options.crossed], theirs)
        proposals = list(dict.fromkeys(tuple(tokenizer.encode(text)) for text in new))
        scored = self._speech.score(ScoreRequest(window.audio, window.prefix, proposals))
        every = [*judged, *(Judged(each, window.words(each.tokens)) for each in scored)]
        texts = [_text(each.hypothesis, tokenizer) for each in every]
        # In whatever case and with whatever marks it likes best.
        own = {word_keys(each.text): each.logprob for each in reversed(hearing.hypotheses)}
        seconds = [
            max(score, own.get(word_keys(text), score))
            for text, score in zip(texts, listener.score(hearing, texts), strict=True)
        ]
        weight, word = self._options.second_weight, self._options.second_word_nats
        judged = [
            replace(each, second=weight * second + word * len(text.split()))
            for each, text, second in zip(every, texts, seconds, strict=True)
            if second > -math.inf
        ]
        return Heard(judged, frozenset(key for text in theirs[:1] for key in word_keys(text)))

    def _margin(self, word: RecognizedWord, window_end: int) -> float:
        """How close (nats) a rival must be to keep a word open: closer, the older the word is."""
        age = (window_end - word.end_sample) / samples_from_ms(self._options.decide_ms)
        return self._options.survive_nats * max(0.0, 1 - age)


def _text(hypothesis: BeamHypothesis, tokenizer: Tokenizer) -> str:
    return tokenizer.decode([token.id for token in hypothesis.tokens])
