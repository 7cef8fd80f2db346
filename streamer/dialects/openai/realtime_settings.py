"""What `session.update` of OpenAI's Realtime API sets for a transcription session, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from streamer.audio.pcm import SampleFormat
from streamer.dialects.common.models import BEST, decoder_for, name_of
from streamer.dialects.common.settings import (
    Offer,
    SettingError,
    check_context,
    check_hot_words,
    check_rate,
    emotion_for,
    is_whole,
    language_for,
    silence_within_reach,
    text_of_setting,
    texts_of_setting,
    without_empty,
)
from streamer.recognition.contract import SessionOptions
from streamer.recognition.languages import ENGLISH
from streamer.recognition.turns.options import TurnOptions

BETA_WARNING: Final = (
    "the shape from before GA is deprecated and will go: send session.update in the place of "
    "transcription_session.update, and leave the header OpenAI-Beta out"
)
BETA_HEADERS: Final = {"deprecation": "@1795824000"}
"""Since when (RFC 9745)."""
_DEFAULT_RATE: Final = 24_000
_TELEPHONE_RATE: Final = 8_000
_DEFAULT_SILENCE_MS: Final = 500.0
_FORMATS: Final = {
    "audio/pcm": SampleFormat.LINEAR16,
    "audio/pcmu": SampleFormat.MULAW,
    "audio/pcma": SampleFormat.ALAW,
}
_BETA_FORMATS: Final = {
    "pcm16": "audio/pcm",
    "g711_ulaw": "audio/pcmu",
    "g711_alaw": "audio/pcma",
}

Eagerness = Literal["low", "medium", "high", "auto"]
_TURNS: Final[dict[Eagerness, TurnOptions]] = {
    "low": TurnOptions(threshold=0.8, timeout_ms=8_000),
    "medium": TurnOptions(threshold=0.7, timeout_ms=4_000),
    "high": TurnOptions(threshold=0.5, timeout_ms=2_000),
    "auto": TurnOptions(threshold=0.7, timeout_ms=4_000),
}
"""The longest waits are OpenAI's."""


@dataclass(frozen=True)
class RealtimeSettings:
    """Of one transcription session."""

    model: str = BEST
    language: str = ENGLISH
    """Its code, or `auto`."""
    prompt: str = ""
    keywords: tuple[str, ...] = ()
    media_type: str = "audio/pcm"
    rate: int = _DEFAULT_RATE
    turns: bool = True
    """Whether a pause commits the buffer; else the client does."""
    silence_ms: float = _DEFAULT_SILENCE_MS
    eagerness: Eagerness | None = None
    """How soon words and voice make a pause one that commits (`semantic_vad`); None: its length
    alone does."""
    emotion: bool = False
    warnings: tuple[str, ...] = ()
    """What the last update asked for in vain."""

    @property
    def sample_format(self) -> SampleFormat:
        return _FORMATS[self.media_type]

    def session_options(self, offer: Offer) -> SessionOptions:
        return SessionOptions(
            decoder=decoder_for("model", self.model, offer),
            language=self.language,
            context=self.prompt,
            hot_words=self.keywords,
            silence_ms=self.silence_ms if self.silence_decides else None,
            turns=None if self.eagerness is None else _TURNS[self.eagerness],
            emotion=self.emotion,
        )

    @property
    def silence_decides(self) -> bool:
        return self.turns and self.eagerness is None

    def may_become(self, new: RealtimeSettings) -> bool:
        """Whether a session that runs with these can go on with others."""
        silent = self.silence_decides and new.silence_decides
        kept = replace(
            self,
            prompt=new.prompt,
            keywords=new.keywords,
            turns=new.turns,
            warnings=new.warnings,
            eagerness=new.eagerness,
            silence_ms=self.silence_ms if silent else new.silence_ms,
        )
        return kept == new

    def as_session(self, session_id: str, offer: Offer) -> dict[str, Any]:
        """The GA shape; what stands in it is in force. `warnings` and `answered_by` are ours."""
        return {
            "id": session_id,
            "object": "realtime.transcription_session",
            "type": "transcription",
            "audio": {
                "input": {
                    "format": {"type": self.media_type, "rate": self.rate},
                    "noise_reduction": None,
                    "transcription": self._transcription(offer),
                    "turn_detection": self._turn_detection(),
                }
            },
            "include": ["emotion"] if self.emotion else [],
            "warnings": list(self.warnings),
        }

    def as_beta_session(self, session_id: str, offer: Offer) -> dict[str, Any]:
        """The shape before GA."""
        beta_format = next(b for b, ga in _BETA_FORMATS.items() if ga == self.media_type)
        return {
            "id": session_id,
            "object": "realtime.transcription_session",
            "input_audio_format": beta_format,
            "input_audio_noise_reduction": None,
            "input_audio_transcription": self._transcription(offer),
            "turn_detection": self._turn_detection(),
            "modalities": ["audio", "text"],
            "include": ["emotion"] if self.emotion else [],
            "warnings": [*self.warnings, BETA_WARNING],
        }

    def _transcription(self, offer: Offer) -> dict[str, Any]:
        return {
            "model": self.model,
            "answered_by": name_of(decoder_for("model", self.model, offer)),
            "language": self.language,
            "prompt": self.prompt,
            "keywords": list(self.keywords),
        }

    def _turn_detection(self) -> dict[str, Any] | None:
        if not self.turns:
            return None
        if self.eagerness is not None:
            return {"type": "semantic_vad", "eagerness": self.eagerness}
        return {"type": "server_vad", "silence_duration_ms": round(self.silence_ms)}


def updated(
    settings: RealtimeSettings, session: Mapping[str, Any], offer: Offer
) -> RealtimeSettings:
    """The settings after a GA `session.update`; what it leaves out stays.

    Raises:
        SettingError: a setting is not to be had here.
    """
    settings = replace(settings, warnings=_not_included(session.get("include")))
    kind = session.get("type", "transcription")
    if kind != "transcription":
        raise SettingError(
            "session.type", f"this server only transcribes, send 'transcription', not {kind!r:.40}"
        )
    where = "session.audio.input"
    audio = as_object("session.audio", session.get("audio", {}))
    given = as_object(where, audio.get("input", {}))
    if "format" in given:
        settings = _with_format(settings, as_object(f"{where}.format", given["format"]), where)
    if "transcription" in given:
        settings = _with_transcription(
            settings, given["transcription"], f"{where}.transcription", offer
        )
    if "turn_detection" in given:
        settings = _with_turns(settings, given["turn_detection"], f"{where}.turn_detection")
    settings = _with_included(settings, session, offer)
    settings.session_options(offer)
    return settings


def updated_beta(
    settings: RealtimeSettings, session: Mapping[str, Any], offer: Offer
) -> RealtimeSettings:
    """As `updated`, for `transcription_session.update` from before GA."""
    settings = replace(settings, warnings=_not_included(session.get("include")))
    if "input_audio_format" in session:
        name = session["input_audio_format"]
        if not isinstance(name, str) or name not in _BETA_FORMATS:
            raise SettingError(
                "session.input_audio_format",
                f"{name!r:.40} is not understood; use one of {', '.join(_BETA_FORMATS)}",
            )
        settings = _with_format(settings, {"type": _BETA_FORMATS[name]}, "session")
    if "input_audio_transcription" in session:
        where = "session.input_audio_transcription"
        settings = _with_transcription(settings, session["input_audio_transcription"], where, offer)
    if "turn_detection" in session:
        settings = _with_turns(settings, session["turn_detection"], "session.turn_detection")
    settings = _with_included(settings, session, offer)
    settings.session_options(offer)
    return settings


def as_object(where: str, value: object) -> Mapping[str, Any]:
    """Raises SettingError unless it is a JSON object."""
    if not isinstance(value, dict):
        raise SettingError(where, "must be an object")
    return value


def _with_format(
    settings: RealtimeSettings, given: Mapping[str, Any], where: str
) -> RealtimeSettings:
    kind = given.get("type", settings.media_type)
    if not isinstance(kind, str) or kind not in _FORMATS:
        raise SettingError(
            f"{where}.format.type",
            f"{kind!r:.40} is not understood; use one of {', '.join(_FORMATS)}",
        )
    default = _DEFAULT_RATE if kind == "audio/pcm" else _TELEPHONE_RATE
    rate = given.get("rate", default)
    if not is_whole(rate):
        raise SettingError(f"{where}.format.rate", "must be a whole number")
    return replace(settings, media_type=kind, rate=check_rate(f"{where}.format.rate", rate))


def _with_transcription(
    settings: RealtimeSettings, value: object, where: str, offer: Offer
) -> RealtimeSettings:
    given = as_object(where, value)
    model = text_of_setting(f"{where}.model", given.get("model"), settings.model)
    asked = given.get("language")
    named, warnings = without_empty(
        f"{where}.language",
        [] if asked is None else [text_of_setting(f"{where}.language", asked, "")],
    )
    language = named[0] if named else settings.language
    several = texts_of_setting(f"{where}.languages", given.get("languages"))
    if several:
        language = language_for(f"{where}.languages", several, offer)
    else:
        language = language_for(f"{where}.language", [language], offer)
    prompt = text_of_setting(f"{where}.prompt", given.get("prompt"), settings.prompt)
    keywords, more = without_empty(
        f"{where}.keywords",
        texts_of_setting(f"{where}.keywords", given.get("keywords", settings.keywords)),
    )
    return replace(
        settings,
        model=model,
        language=language,
        prompt=check_context(f"{where}.prompt", prompt),
        keywords=check_hot_words(f"{where}.keywords", keywords),
        warnings=(*settings.warnings, *warnings, *more),
    )


def _with_included(
    settings: RealtimeSettings, session: Mapping[str, Any], offer: Offer
) -> RealtimeSettings:
    """Of what OpenAI's clients may ask to be included nothing is to be had; `emotion` is ours."""
    if "include" not in session:
        return settings
    included = texts_of_setting("session.include", session["include"])
    emotion = emotion_for("session.include", offer, asked="emotion" in included)
    return replace(settings, emotion=emotion)


def _with_turns(settings: RealtimeSettings, value: object, where: str) -> RealtimeSettings:
    if value is None:
        return replace(settings, turns=False, eagerness=None)
    given = as_object(where, value)
    kind = given.get("type")
    if kind == "semantic_vad":
        return replace(settings, turns=True, eagerness=_eagerness(given, where))
    if kind != "server_vad":
        raise SettingError(
            f"{where}.type",
            f"{kind!r:.40} is not to be had here; use 'server_vad', 'semantic_vad', or null",
        )
    silence_ms = given.get("silence_duration_ms")
    if silence_ms is None:
        silence_ms = _DEFAULT_SILENCE_MS
    if not isinstance(silence_ms, float) and not is_whole(silence_ms):
        raise SettingError(f"{where}.silence_duration_ms", "must be a number")
    silence_ms = silence_within_reach(silence_ms)
    return replace(settings, turns=True, eagerness=None, silence_ms=silence_ms)


def _eagerness(given: Mapping[str, Any], where: str) -> Eagerness:
    found = given.get("eagerness") or "auto"
    for known in _TURNS:
        if known == found:
            return known
    raise SettingError(
        f"{where}.eagerness", f"{found!r:.40} is not understood; use one of {', '.join(_TURNS)}"
    )


def _not_included(include: object) -> tuple[str, ...]:
    asked = texts_of_setting("session.include", include)
    in_vain = any(name != "emotion" for name in asked)
    return ("session.include: only the emotion can be included here",) if in_vain else ()
