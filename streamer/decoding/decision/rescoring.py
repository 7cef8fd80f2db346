"""What may have been said, ranked by the fused score, and why the first of it was preferred."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from streamer.decoding.beam import BeamHypothesis
from streamer.decoding.decision.hot_words import HotWords
from streamer.decoding.words import RecognizedWord, shared_words
from streamer.models.fusion.score import Candidate, Fusion, Terms
from streamer.transcript.ledger import Decision


@dataclass(frozen=True, slots=True)
class Pruning:
    """How much less likely than the best, by the acoustics alone, a beginning may be."""

    nats: float
    hot_word_nats: float
    """So much more if it has an expected word."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A hypothesis, its words, and what the second listener says for it, in weighted nats; 0 if it
    was not asked."""

    hypothesis: BeamHypothesis
    words: Sequence[RecognizedWord]
    second: float = 0.0

    @property
    def logprob(self) -> float:
        """By all acoustics."""
        return self.hypothesis.logprob + self.second


@dataclass(frozen=True)
class Choice:
    """A beginning that some hypotheses share, the best of those, and what speaks for it."""

    words: list[RecognizedWord]
    best: BeamHypothesis
    terms: Terms


@dataclass(frozen=True)
class _Beginning:
    """The same before it is ranked, with its own acoustic log-probability."""

    words: list[RecognizedWord]
    best: Judged
    logprob: float


def rank(
    hypotheses: Sequence[Judged],
    newest: int,
    pruning: Pruning,
    hot_words: HotWords,
    fusion: Fusion,
) -> list[Choice]:
    """Distinct beginnings of the hypotheses, the words that end by sample `newest`: best first.

    What follows is summed over, as are marks and capitals, which the acoustics alone decide: the
    probability of a beginning is that of all hypotheses that share its words. Nor does the LLM
    decide between figures and numbers in words.
    """
    found: dict[tuple[str, ...], _Beginning] = {}
    for hypothesis in hypotheses:
        begun = [word for word in hypothesis.words if word.end_sample <= newest]
        keys = tuple(word.key for word in begun)
        beginning = _Beginning(begun, hypothesis, hypothesis.logprob)
        if keys in found:
            likelier = max(found[keys], beginning, key=lambda each: each.best.logprob)
            logprob = _log_add(found[keys].logprob, beginning.logprob)
            beginning = replace(likelier, logprob=logprob)
        found[keys] = beginning
    likeliest = max(found.values(), key=lambda each: each.logprob, default=None)
    if likeliest is None:
        return []
    floor = likeliest.logprob - pruning.nats
    in_figures = _has_figures(likeliest.words)
    likely: list[_Beginning] = []
    candidates: list[Candidate] = []
    for beginning in found.values():
        text = " ".join(word.text for word in beginning.words)
        expected = hot_words.count(text)
        if not expected and _has_figures(beginning.words) != in_figures:
            continue
        if beginning.logprob + pruning.hot_word_nats * (expected > 0) >= floor:
            likely.append(beginning)
            second = beginning.best.second
            candidates.append(Candidate(text, beginning.logprob - second, expected, second))
    if len(candidates) < 2:  # nothing to ask
        terms = [
            Terms(candidate.logprob, 0.0, 0.0, 0.0, candidate.second) for candidate in candidates
        ]
    else:
        terms = fusion.terms(candidates)
    choices = [
        Choice(each.words, each.best.hypothesis, its_terms)
        for each, its_terms in zip(likely, terms, strict=True)
    ]
    return sorted(choices, key=lambda choice: -choice.terms.total)


def explained(choices: Sequence[Choice]) -> list[RecognizedWord]:
    """The words of the first choice; each that the others do not share, with what decided
    between it and the best of those that part from it there."""
    best = choices[0]
    words = list(best.words)
    for rival in choices[1:]:
        at = shared_words([best.words, rival.words])
        if at < len(words) and words[at].decision is None:
            decision = Decision(
                rival.words[at].text if at < len(rival.words) else "",
                audio=best.terms.audio - rival.terms.audio,
                text=best.terms.text - rival.terms.text,
                hot_words=best.terms.hot_words - rival.terms.hot_words,
                second=best.terms.second - rival.terms.second,
                heard=dict(best.terms.shares),
            )
            words[at] = replace(words[at], decision=decision)
    return words


def undisputed_words(choices: Sequence[Choice], margin: Callable[[RecognizedWord], float]) -> int:
    """How many words the first choice has in front of one that another disputes: the first in
    which the two differ, if the other is less than that word's margin (nats) behind."""
    best, *others = choices
    count = len(best.words)
    for other in others:
        at = shared_words([best.words, other.words])
        behind = best.terms.total - other.terms.total
        if at < count and behind < margin(best.words[at]):
            count = at
    return count


def _has_figures(words: Sequence[RecognizedWord]) -> bool:
    return any(char.isdigit() for word in words for char in word.text)


def _log_add(a: float, b: float) -> float:
    high, low = max(a, b), min(a, b)
    return high + math.log1p(math.exp(low - high))
