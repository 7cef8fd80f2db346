"""What clients of other services may ask for by the names they know from there."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final, TypeGuard

from streamer.hosting.options import ServerOptions
from streamer.protocol.errors import ProtocolError
from streamer.protocol.messages import (
    MAX_CONTEXT_CHARS,
    MAX_HOT_WORD_CHARS,
    MAX_HOT_WORDS,
    MAX_SAMPLE_RATE,
    MAX_SILENCE_MS,
    MIN_SAMPLE_RATE,
    ErrorCode,
)
from streamer.recognition.contract import Decoder, RecognizerFactory
from streamer.recognition.languages import (
    AUTO,
    ENGLISH,
    UnknownLanguageError,
    check_language,
    language_code,
)

HTTP_STATUS: Final = {
    ErrorCode.BAD_CONFIG: 400,
    ErrorCode.BAD_MEDIA: 400,
    ErrorCode.UNAUTHORIZED: 401,
    ErrorCode.IDLE_TIMEOUT: 408,
    ErrorCode.MESSAGE_TOO_LARGE: 413,
    ErrorCode.TOO_MANY_SESSIONS: 429,
    ErrorCode.SHUTTING_DOWN: 503,
}
"""Where a client is turned away before there is a websocket."""
_MIN_SILENCE_MS: Final = 500.0


@dataclass(frozen=True)
class Offer:
    """What clients of this server may choose from."""

    decoder: Decoder
    """The better one that it has."""
    languages: Collection[str] = (ENGLISH,)
    """By code."""
    language: str = ENGLISH
    """Of those who ask for none; maybe `auto`."""
    emotion: bool = True
    """Whether those who ask are told it."""

    @classmethod
    def of(cls, engine: RecognizerFactory, options: ServerOptions) -> Offer:
        return cls(
            engine.default_decoder,
            engine.languages,
            engine.default_language,
            options.emotion != "off",
        )


class SettingError(ProtocolError):
    """A setting that is not to be had here; `setting` is its name in the client's protocol."""

    def __init__(self, setting: str, message: str) -> None:
        super().__init__(ErrorCode.BAD_CONFIG, f"{setting}: {message}")
        self.setting = setting


def language_for(setting: str, names: Sequence[str], offer: Offer) -> str:
    """The code of the language of that name, with a country or without; of several whichever is
    spoken; of none the server's own.

    Raises:
        SettingError: one is unknown, or not to be had on this server.
    """
    codes = [language_code(name) or name for name in names]
    try:
        for code in codes:
            check_language(code, offer.languages)
    except UnknownLanguageError as error:
        raise SettingError(setting, str(error)) from error
    if len(set(codes)) > 1:
        return AUTO
    return codes[0] if codes else offer.language


def emotion_for(setting: str, offer: Offer, *, asked: bool) -> bool:
    """Whether emotions are told: to clients of other services, who did not expect them, only if
    they ask.

    Raises:
        SettingError: they are not to be had on this server.
    """
    if asked and not offer.emotion:
        raise SettingError(setting, "this server tells no emotions; leave it out")
    return asked


def text_of_setting(setting: str, value: object, default: str) -> str:
    """`default` in the place of None and of nothing. Raises SettingError unless it is a string."""
    if value is not None and not isinstance(value, str):
        raise SettingError(setting, "must be a string")
    return value or default


def texts_of_setting(setting: str, value: object) -> list[str]:
    """None is an empty list. Raises SettingError unless it is a list of strings."""
    if value is None:
        return []
    if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
        raise SettingError(setting, "must be a list of strings")
    return list(value)


def is_whole(value: object) -> TypeGuard[int]:
    """Whether it is a whole number, which `true` is not."""
    return isinstance(value, int) and not isinstance(value, bool)


def check_rate(setting: str, rate: int) -> int:
    """Raises SettingError."""
    if not MIN_SAMPLE_RATE <= rate <= MAX_SAMPLE_RATE:
        raise SettingError(
            setting, f"{rate} Hz is out of range; use {MIN_SAMPLE_RATE} to {MAX_SAMPLE_RATE}"
        )
    return rate


def silence_within_reach(silence_ms: float) -> float:
    """The nearest pause that ends a segment without cutting sentences up, which costs words.
    Vendors' clients ask for pauses as short as 10 ms without having been told to."""
    return min(max(silence_ms, _MIN_SILENCE_MS), MAX_SILENCE_MS)


def check_context(setting: str, text: str) -> str:
    """Raises SettingError."""
    if len(text) > MAX_CONTEXT_CHARS:
        raise SettingError(setting, f"is longer than {MAX_CONTEXT_CHARS} characters; shorten it")
    return text


def without_empty(setting: str, values: Sequence[str]) -> tuple[list[str], tuple[str, ...]]:
    """Those that say something; and a warning, if there are others. Forms send fields that nobody
    filled in."""
    said = [value for value in values if value.strip()]
    if len(said) == len(values):
        return said, ()
    return said, (f"{setting}: is empty, and counts as left out",)


def check_hot_words(setting: str, words: Sequence[str]) -> tuple[str, ...]:
    """Raises SettingError."""
    if len(words) > MAX_HOT_WORDS or any(not 0 < len(word) <= MAX_HOT_WORD_CHARS for word in words):
        raise SettingError(
            setting, f"send at most {MAX_HOT_WORDS} terms of 1 to {MAX_HOT_WORD_CHARS} characters"
        )
    return tuple(words)
