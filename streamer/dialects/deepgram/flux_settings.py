"""The query of Deepgram Flux (`/v2/listen`), and its `Configure`, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from starlette.datastructures import QueryParams

from streamer.audio.pcm import SampleFormat
from streamer.dialects.common.models import decoder_for
from streamer.dialects.common.settings import (
    Offer,
    SettingError,
    check_hot_words,
    emotion_for,
    is_whole,
    language_for,
    texts_of_setting,
    without_empty,
)
from streamer.dialects.deepgram.settings import flag, read_format, read_rate, read_writing
from streamer.recognition.contract import SessionChange, SessionOptions
from streamer.recognition.languages import AUTO
from streamer.recognition.turns.options import TurnOptions

MULTILINGUAL: Final = "flux-general-multi"
_LIMITS: Final = {
    "eot_threshold": (0.5, 1.0),
    "eager_eot_threshold": (0.3, 0.9),
    "eot_timeout_ms": (500.0, 60_000.0),
}
_FIELDS: Final = {
    "eot_threshold": "threshold",
    "eager_eot_threshold": "eager_threshold",
    "eot_timeout_ms": "timeout_ms",
}


@dataclass(frozen=True)
class FluxSettings:
    model: str
    sample_rate: int
    sample_format: SampleFormat
    session: SessionOptions
    """With turns."""
    warnings: tuple[str, ...] = ()
    """What was asked for in vain."""

    @property
    def turns(self) -> TurnOptions:
        return self.session.turns or TurnOptions()

    @property
    def thresholds(self) -> dict[str, float | None]:
        """By Deepgram's names."""
        return {name: getattr(self.turns, field) for name, field in _FIELDS.items()}

    def changed(self, change: SessionChange) -> FluxSettings:
        """The settings after a change."""
        return replace(self, session=self.session.changed(change))


def read_flux_settings(query: QueryParams, offer: Offer) -> FluxSettings:
    """
    Raises:
        SettingError: a parameter is out of range, or asks for what is not to be had here.
    """
    model = query.get("model") or "flux-general-en"
    terms, warnings = without_empty("keyterm", query.getlist("keyterm"))
    sample_format = read_format(query)
    if sample_format is None:
        raise SettingError(
            "encoding", "is missing; send samples, with encoding=linear16 and sample_rate=16000"
        )
    given = {name: query[name] for name in _LIMITS if query.get(name)}
    turns = _with_thresholds(TurnOptions(), {name: _number(name, given[name]) for name in given})
    language = _language(model, query.getlist("language_hint"), offer)
    session = SessionOptions(
        decoder=decoder_for("model", model, offer),
        language=language,
        writing=read_writing(query, language),
        hot_words=check_hot_words("keyterm", terms),
        emotion=emotion_for("emotion", offer, asked=flag(query, "emotion")),
        turns=turns,
    )
    return FluxSettings(model, read_rate(query), sample_format, session, warnings)


def read_change(settings: FluxSettings, message: Mapping[str, Any]) -> SessionChange:
    """What a `Configure` changes.

    Raises:
        SettingError: a field is out of range, or cannot be changed.
    """
    if message.get("language_hints") is not None:
        raise SettingError("language_hints", "are fixed when a stream begins")
    thresholds = message.get("thresholds") or {}
    if not isinstance(thresholds, Mapping):
        raise SettingError("thresholds", "must be an object")
    given = {name: thresholds[name] for name in _LIMITS if thresholds.get(name) is not None}
    turns = _with_thresholds(settings.turns, given) if given else None
    terms = message.get("keyterms")
    if terms is None:
        return SessionChange(turns=turns)
    several = [terms] if isinstance(terms, str) else texts_of_setting("keyterms", terms)
    return SessionChange(hot_words=check_hot_words("keyterms", several), turns=turns)


def _with_thresholds(turns: TurnOptions, given: Mapping[str, object]) -> TurnOptions:
    found: dict[str, float] = {}
    for name, value in given.items():
        least, most = _LIMITS[name]
        if not isinstance(value, float) and not is_whole(value):
            raise SettingError(name, "must be a number")
        if not least <= value <= most:
            raise SettingError(name, f"{value:g} is out of range; use {least:g} to {most:g}")
        found[_FIELDS[name]] = float(value)
    turns = replace(turns, **found)
    if turns.eager_threshold is not None and turns.eager_threshold > turns.threshold:
        raise SettingError("eager_eot_threshold", "must not be more than eot_threshold")
    return turns


def _number(name: str, text: str) -> float:
    try:
        return float(text[:20])
    except ValueError:
        raise SettingError(name, f"{text!r:.40} is not a number") from None


def _language(model: str, hints: Sequence[str], offer: Offer) -> str:
    """The multilingual model takes the language it is told, or whichever is spoken."""
    if model != MULTILINGUAL:
        return language_for("language_hint", hints[:1], offer)
    return language_for("language_hint", hints or [AUTO], offer)
