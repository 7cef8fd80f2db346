"""The query of Deepgram's `/v1/listen`, checked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from starlette.datastructures import QueryParams

from streamer.audio.pcm import SampleFormat
from streamer.dialects.common.settings import (
    Offer,
    SettingError,
    check_hot_words,
    check_rate,
    decoder_for,
    language_for,
    silence_within_reach,
)
from streamer.recognition.contract import SessionOptions
from streamer.recognition.languages import AUTO

MODELS: Final = re.compile(
    r"(nova|enhanced|base|flux|whisper)(-[\w-]+)?|general|meeting|phonecall|finance|"
    r"conversationalai|voicemail|video"
)
_FORMATS: Final = {
    "linear16": SampleFormat.LINEAR16,
    "linear32": SampleFormat.LINEAR32,
    "mulaw": SampleFormat.MULAW,
    "alaw": SampleFormat.ALAW,
}
_REFUSED: Final = {
    "diarize": "speakers are not told apart",
    "diarize_model": "speakers are not told apart",
    "redact": "nothing is redacted",
    "callback": "results only come over this connection",
    "search": "nothing is searched for",
    "replace": "nothing is replaced",
    "detect_entities": "entities are not detected",
    "translate": "nothing is translated",
}
"""Whoever asks for these would be let down by silence; what only styles the text is let pass."""
_MIN_UTTERANCE_END_MS: Final = 1_000
_WHOLE: Final = re.compile(r"[0-9]{1,9}")
_WEIGHT: Final = re.compile(r"-?[0-9.]{1,20}")


@dataclass(frozen=True)
class DeepgramSettings:
    """Times in milliseconds."""

    model: str
    sample_rate: int
    sample_format: SampleFormat
    interim_results: bool
    endpointing: bool
    """Whether a pause makes a result `speech_final`."""
    utterance_end_ms: int | None
    vad_events: bool
    session: SessionOptions


def read_settings(query: QueryParams, offer: Offer) -> DeepgramSettings:
    """
    Raises:
        SettingError: a parameter is out of range, or asks for what is not to be had here.
    """
    for name, why in _REFUSED.items():
        if any(value.lower() not in ("false", "") for value in query.getlist(name)):
            raise SettingError(name, f"{why}; leave it out")
    model = query.get("model", "streamer")
    decoder = decoder_for("model", model, MODELS, offer)
    interim_results = _flag(query, "interim_results")
    endpointing = query.get("endpointing", "").lower()
    hot_words = [
        *query.getlist("keyterm"),
        *(_without_weight(word) for word in query.getlist("keywords")),
    ]
    if _number(query, "channels", 1) != 1 or _flag(query, "multichannel"):
        raise SettingError("channels", "one channel is recognized; open a connection for each")
    return DeepgramSettings(
        model=model,
        sample_rate=read_rate(query),
        sample_format=read_format(query),
        interim_results=interim_results,
        endpointing=endpointing != "false",
        utterance_end_ms=_utterance_end_ms(query, interim_results=interim_results),
        vad_events=_flag(query, "vad_events"),
        session=SessionOptions(
            decoder=decoder,
            language=_language(query, offer),
            hot_words=check_hot_words("keyterm", hot_words),
            silence_ms=_silence_ms(query) if endpointing not in ("true", "false") else None,
        ),
    )


def _language(query: QueryParams, offer: Offer) -> str:
    """`detect_language` may be true, or name languages."""
    detect = [value for value in query.getlist("detect_language") if value.lower() != "false"]
    wanted = [query["language"]] if query.get("language") else []
    if detect or wanted == ["multi"]:
        named = [value for value in detect if value.lower() not in ("true", "")]
        language_for("detect_language", named, offer)
        return language_for("detect_language" if detect else "language", [AUTO], offer)
    return language_for("language", wanted, offer)


def _without_weight(word: str) -> str:
    """Deepgram's older form carries one: "word:2"."""
    name, colon, weight = word.rpartition(":")
    return name if colon and _WEIGHT.fullmatch(weight) else word


def read_format(query: QueryParams) -> SampleFormat:
    """Raises SettingError."""
    encoding = query.get("encoding")
    if encoding is None:
        raise SettingError(
            "encoding",
            "audio in a container is not read here; send samples, "
            "with encoding=linear16 and sample_rate=16000",
        )
    found = _FORMATS.get(encoding.lower())
    if found is None:
        raise SettingError(
            "encoding", f"{encoding!r:.40} is not understood; use one of {', '.join(_FORMATS)}"
        )
    return found


def read_rate(query: QueryParams) -> int:
    """Raises SettingError."""
    rate = _number(query, "sample_rate", None)
    if rate is None:
        if query.get("encoding", "").lower() in ("mulaw", "alaw"):
            return 8_000
        raise SettingError("sample_rate", "is missing; send it along with the encoding")
    return check_rate("sample_rate", rate)


def _silence_ms(query: QueryParams) -> float | None:
    silence_ms = _number(query, "endpointing", None)
    return None if silence_ms is None else silence_within_reach(silence_ms)


def _utterance_end_ms(query: QueryParams, *, interim_results: bool) -> int | None:
    value = _number(query, "utterance_end_ms", None)
    if value is None:
        return None
    if value < _MIN_UTTERANCE_END_MS:
        raise SettingError("utterance_end_ms", f"must be at least {_MIN_UTTERANCE_END_MS}")
    if not interim_results:
        raise SettingError("utterance_end_ms", "needs interim_results=true")
    return value


def _number(query: QueryParams, name: str, default: int | None) -> int | None:
    value = query.get(name)
    if value is None or value == "":
        return default
    if not _WHOLE.fullmatch(value):
        raise SettingError(name, f"{value!r:.40} is not a whole number")
    return int(value)


def _flag(query: QueryParams, name: str) -> bool:
    value = query.get(name, "false").lower()
    if value not in ("true", "false", ""):
        raise SettingError(name, f"{value!r:.40} is neither true nor false")
    return value == "true"
