"""Names and terms that a session expects: where a hypothesis has something of similar spelling,
the expected word is proposed in its place. The speech decoder scores the proposal like any other
hypothesis; a bonus for each expected word makes up for their being rare.

A beam alone does not find rare names: their first tokens fall out of it. Proposals made after the
fact, and rescored, are the spelling-correction form of contextual biasing (Wang et al., 2022),
with letters compared in place of a trained corrector.
"""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rapidfuzz import fuzz, process

from streamer.decoding.beam import BeamHypothesis
from streamer.models.moonshine.tokenizer import Tokenizer

MIN_SIMILARITY: Final = 60.0
"""Percent of letters that must stay (normalized indel similarity)."""
MAX_PROPOSALS: Final = 12
"""For one decision: they go through the decoder together."""
_SPARE_WORDS: Final = 1
"""A term of k words may have been heard as so many more or fewer."""


@dataclass(frozen=True, slots=True)
class _Term:
    text: str
    letters: str
    n_words: int


class HotWords:
    """The expected words of one session."""

    def __init__(self, terms: Sequence[str], tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self.expect(terms)

    def expect(self, terms: Sequence[str]) -> None:
        """Expect these, and no others, from now on."""
        unique = {_letters(term): " ".join(term.split()) for term in terms if _letters(term)}
        self._terms = [_Term(text, letters, len(text.split())) for letters, text in unique.items()]
        self._by_words: dict[int, list[_Term]] = {}
        for term in self._terms:
            for n_words in range(term.n_words - _SPARE_WORDS, term.n_words + _SPARE_WORDS + 1):
                if n_words > 0:
                    self._by_words.setdefault(n_words, []).append(term)

    def __bool__(self) -> bool:
        return bool(self._terms)

    def count(self, text: str) -> int:
        """How many expected words and terms the text has."""
        words = [_letters(word) for word in text.split()]
        found = 0
        for term in self._terms:
            n_words = term.n_words
            found += sum(
                "".join(words[at : at + n_words]) == term.letters
                for at in range(len(words) - n_words + 1)
            )
        return found

    def proposals(self, hypotheses: Sequence[BeamHypothesis]) -> list[tuple[int, ...]]:
        """Token sequences that are not among the hypotheses: one of them with an expected word
        in place of a similar one, the most similar first."""
        known = {tuple(token.id for token in hypothesis.tokens) for hypothesis in hypotheses}
        found: dict[tuple[int, ...], float] = {}
        for hypothesis in hypotheses:
            for tokens, similarity in self._replaced([token.id for token in hypothesis.tokens]):
                if tokens not in known:
                    found[tokens] = max(similarity, found.get(tokens, 0.0))
        return sorted(found, key=lambda tokens: -found[tokens])[:MAX_PROPOSALS]

    def _replaced(self, tokens: list[int]) -> list[tuple[tuple[int, ...], float]]:
        starts = [at for at, token in enumerate(tokens) if self._tokenizer.starts_word(token)]
        edges = [*starts, len(tokens)]
        found = []
        for n_words, terms in self._by_words.items():
            spans = [(edges[i], edges[i + n_words]) for i in range(len(edges) - n_words)]
            texts = [self._tokenizer.decode(tokens[start:end]) for start, end in spans]
            letters = [_letters(text) for text in texts]
            likeness = process.cdist(
                letters,
                [term.letters for term in terms],
                scorer=fuzz.ratio,
                score_cutoff=MIN_SIMILARITY,
            )
            for i, j in zip(*likeness.nonzero(), strict=True):
                if letters[i] == terms[j].letters:
                    continue
                start, end = spans[i]
                mark = texts[i][len(texts[i].rstrip(string.punctuation)) :]
                instead = self._tokenizer.encode(terms[j].text + mark)
                replaced = (*tokens[:start], *instead, *tokens[end:])
                found.append((replaced, float(likeness[i, j])))
        return found


def _letters(text: str) -> str:
    return "".join(char for char in text.casefold() if char.isalnum())
