"""Languages by the names that people and programs give them."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

AUTO: Final = "auto"
"""In the place of a code: whichever is spoken."""
ENGLISH: Final = "en"
NAMES: Final = {
    "af": "afrikaans",
    "ar": "arabic",
    "az": "azerbaijani",
    "be": "belarusian",
    "bg": "bulgarian",
    "bs": "bosnian",
    "ca": "catalan",
    "cs": "czech",
    "cy": "welsh",
    "da": "danish",
    "de": "german",
    "el": "greek",
    "en": "english",
    "es": "spanish",
    "et": "estonian",
    "fa": "persian",
    "fi": "finnish",
    "fr": "french",
    "gl": "galician",
    "he": "hebrew",
    "hi": "hindi",
    "hr": "croatian",
    "hu": "hungarian",
    "hy": "armenian",
    "id": "indonesian",
    "is": "icelandic",
    "it": "italian",
    "ja": "japanese",
    "kk": "kazakh",
    "kn": "kannada",
    "ko": "korean",
    "lt": "lithuanian",
    "lv": "latvian",
    "mi": "maori",
    "mk": "macedonian",
    "mr": "marathi",
    "ms": "malay",
    "ne": "nepali",
    "nl": "dutch",
    "no": "norwegian",
    "pl": "polish",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "sk": "slovak",
    "sl": "slovenian",
    "sr": "serbian",
    "sv": "swedish",
    "sw": "swahili",
    "ta": "tamil",
    "th": "thai",
    "tl": "tagalog",
    "tr": "turkish",
    "uk": "ukrainian",
    "ur": "urdu",
    "vi": "vietnamese",
    "zh": "chinese",
}
"""By code (ISO 639-1). Whisper has heard tell of some forty others, too little to be of use."""
_CODE: Final = re.compile(r"([a-z]{2,3})([-_][a-z0-9]+)*", re.ASCII)
_MAX_CHARS: Final = 40


class UnknownLanguageError(ValueError):
    """A language is not to be had; the message says which are."""


def language_code(name: str) -> str | None:
    """The code of a language given as one, with a country or without (`de`, `de-AT`), or by its
    English name, or `auto`; None if it has none here."""
    name = name.strip().lower()
    if len(name) > _MAX_CHARS:
        return None
    if name == AUTO:
        return name
    named = next((code for code, known in NAMES.items() if known == name), None)
    if named is not None:
        return named
    found = _CODE.fullmatch(name)
    return found[1] if found and found[1] in NAMES else None


def check_language(language: str, known: Collection[str]) -> None:
    """
    Args:
        known: the codes to choose from.

    Raises:
        UnknownLanguageError: it is none of them, nor `auto` where there is a choice.
    """
    if language in known or (language == AUTO and len(known) > 1):
        return
    if len(known) == 1:
        (only,) = known
        raise UnknownLanguageError(
            f"this server hears {NAMES[only].title()} alone, not {language!r:.40}"
        )
    raise UnknownLanguageError(
        f"{language!r:.40} is not known; use {AUTO}, or one of {', '.join(sorted(known))}"
    )
