"""From words to text: with spaces between them, where the script has any."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

_UNSPACED: Final = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u312f\u3190-\u9fff\uf900-\ufaff"
    "\ufe30-\ufe4f\uff00-\uffef\U00020000-\U0003ffff]"
)
"""Thai, Lao, Burmese and Khmer letters, kana, Han characters, and the marks that go with them;
Korean has spaces."""


def joined(texts: Iterable[str]) -> str:
    """The words as text. No space stands between two that meet in a script without spaces."""
    text = ""
    for word in texts:
        text += f"{gap(text, word)}{word}"
    return text


def gap(before: str, word: str) -> str:
    """What stands between a text and the word that follows it: a space, or nothing."""
    if not before or not word:
        return ""
    meets = _UNSPACED.match(before[-1]) and _UNSPACED.match(word[0])
    return "" if meets else " "
