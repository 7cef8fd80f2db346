"""Where English may be broken between two words: what a break there costs a reader.

After a mark or before a conjunction or preposition is best; a noun is not parted from its article,
a verb from its pronoun or auxiliary, nor a first name from a last name (Netflix, Timed Text Style
Guide, line treatment; BBC, Subtitle Guidelines, 3.4 and 3.9). Words of other languages are broken
at their marks and pauses. `clients/web/captions/phrases.js` says the same.
"""

from __future__ import annotations

from typing import Final

from streamer.transcript.ledger import word_key

_CLOSING_QUOTES: Final = "\"')]\u201d\u2019"
_SENTENCE_MARKS: Final = (".", "!", "?", "\u2026", "\u3002", "\uff01", "\uff1f")
_CLAUSE_MARKS: Final = (",", ";", ":", "\u2014", "\u2013", "\u3001", "\uff0c")
_TITLES: Final = frozenset({"mr", "mrs", "ms", "dr", "st", "prof"})
# fmt: off
_LEADING: Final = frozenset({
    "and", "but", "or", "nor", "so", "because", "although", "though", "unless", "until",
    "while", "when", "where", "which", "who", "whom", "whose", "that", "if", "as", "than", "of",
    "to", "in", "on", "at", "by", "for", "from", "with", "about", "into", "onto", "over",
    "under", "after", "before", "between", "through", "during", "without", "against", "toward",
    "towards", "upon", "within", "behind", "across", "around", "near",
})
_CLINGING: Final = _LEADING | _TITLES | {
    "a", "an", "the", "my", "your", "his", "her", "its", "our", "their", "this", "these",
    "those", "every", "each", "no", "i", "he", "she", "we", "they", "is", "are", "was", "were",
    "be", "been", "am", "have", "has", "had", "will", "would", "can", "could", "should", "may",
    "might", "must", "do", "does", "did", "not",
}
# fmt: on
_BREATH_MS: Final = 400


def ends_sentence(text: str) -> bool:
    bare = text.rstrip(_CLOSING_QUOTES)
    return bare.endswith(_SENTENCE_MARKS) and word_key(text) not in _TITLES


def break_cost(before: str, after: str, pause_ms: float) -> int:
    """What it costs to break between two words, from 0 behind a sentence to 8 behind an article.

    Args:
        pause_ms: the silence between them.
    """
    if ends_sentence(before):
        return 0
    if before.rstrip(_CLOSING_QUOTES).endswith(_CLAUSE_MARKS):
        return 1
    if word_key(before) in _CLINGING:
        return 8
    if before[:1].isupper() and after[:1].isupper():
        return 6
    if word_key(after) in _LEADING or pause_ms >= _BREATH_MS:
        return 2
    return 4
