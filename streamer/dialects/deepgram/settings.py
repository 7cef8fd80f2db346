"""The query of Deepgram's `/v1/listen`, checked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from starlette.datastructures import QueryParams

from streamer.audio.clock import SAMPLE_RATE
from streamer.audio.pcm import SampleFormat
from streamer.dialects.common.models import BEST, decoder_for
from streamer.dialects.common.settings import (
    Offer,
    SettingError,
    check_hot_words,
    check_rate,
    emotion_for,
    language_for,
    silence_within_reach,
    without_empty,
)
from streamer.recognition.contract import USUAL_SPEAKERS, SessionOptions
from streamer.recognition.languages import AUTO, ENGLISH
from streamer.session.container_intake import check_containers
from streamer.transcript.written.options import Redaction, WritingOptions

FORMATS: Final = {
    "linear16": SampleFormat.LINEAR16,
    "linear32": SampleFormat.LINEAR32,
    "mulaw": SampleFormat.MULAW,
    "alaw": SampleFormat.ALAW,
}
_CONTAINERS: Final = frozenset({"flac", "ogg-opus", "amr-nb", "amr-wb"})
"""Encodings that tell their rate themselves, like audio without one."""
_REFUSED: Final = {
    "callback": "results only come over this connection",
    "search": "nothing is searched for",
    "replace": "nothing is replaced",
    "detect_entities": "entities are not detected",
    "translate": "nothing is translated",
}
"""Whoever asks for these would be let down by silence; what only styles the text is let pass."""
_REDACTIONS: Final[dict[str, frozenset[Redaction]]] = {
    "": frozenset(),
    "numbers": frozenset({"numbers"}),
    "aggressive_numbers": frozenset({"numbers"}),
    "pci": frozenset({"pci"}),
    "ssn": frozenset({"ssn"}),
    "true": frozenset({"numbers"}),
    "false": frozenset(),
}
_MIN_UTTERANCE_END_MS: Final = 1_000
_WHOLE: Final = re.compile(r"[0-9]{1,9}")
_UTTERANCE_END_LEAD_MS: Final = 200
"""So much before `UtteranceEnd` its words become final, as whoever waits for it wants them."""
_WEIGHT: Final = re.compile(r"-?[0-9]{1,9}(\.[0-9]{0,9})?")
MAX_CHANNELS: Final = 20
"""As many as Deepgram takes."""


@dataclass(frozen=True)
class Wanted:
    """What can be asked of live audio and of recordings."""

    model: str
    multichannel: bool
    """Each channel is recognized by itself; else they are mixed."""
    session: SessionOptions
    warnings: tuple[str, ...]
    """What was asked for in vain."""


@dataclass(frozen=True)
class DeepgramSettings:
    """Of live audio. Times in milliseconds."""

    wanted: Wanted
    sample_rate: int
    sample_format: SampleFormat | None
    """None: the audio comes in a container, which tells its rate too; its channels are mixed."""
    channels: int
    """In samples without a container."""
    interim_results: bool
    endpointing: bool
    """Whether a pause makes a result `speech_final`."""
    speech_final_ms: float | None
    """The pause that does, if it is longer than the one that ends a segment."""
    utterance_end_ms: int | None
    vad_events: bool

    @property
    def n_sessions(self) -> int:
        """Channels that are recognized by themselves."""
        return self.channels if self.wanted.multichannel else 1


def read_settings(query: QueryParams, offer: Offer) -> DeepgramSettings:
    """
    Raises:
        SettingError: a parameter is out of range, or asks for what is not to be had here.
    """
    interim_results = flag(query, "interim_results")
    utterance_end_ms = _utterance_end_ms(query, interim_results=interim_results)
    endpointing = query.get("endpointing", "").lower()
    pause_ms = _silence_ms(query) if endpointing not in ("true", "false") else None
    closing_ms = pause_ms
    if pause_ms is not None and utterance_end_ms is not None:
        closing_ms = min(pause_ms, utterance_end_ms - _UTTERANCE_END_LEAD_MS)
    wanted = read_wanted(query, offer, closing_ms)
    sample_format = read_format(query)
    if sample_format is None and wanted.multichannel:
        warning = "multichannel: channels in a container are mixed; send samples to have each"
        wanted = replace(wanted, multichannel=False, warnings=(*wanted.warnings, warning))
    return DeepgramSettings(
        wanted=wanted,
        sample_rate=SAMPLE_RATE if sample_format is None else read_rate(query),
        sample_format=sample_format,
        channels=channels_in(query),
        interim_results=interim_results,
        endpointing=endpointing != "false",
        speech_final_ms=pause_ms if pause_ms != closing_ms else None,
        utterance_end_ms=utterance_end_ms,
        vad_events=flag(query, "vad_events"),
    )


def read_wanted(query: QueryParams, offer: Offer, silence_ms: float | None) -> Wanted:
    """
    Args:
        silence_ms: pause that ends a segment; None leaves it to the engine.

    Raises:
        SettingError: as `read_settings`.
    """
    refuse(query, _REFUSED)
    model = query.get("model") or BEST
    language, warnings = _language(query, offer)
    hot_words, more = _hot_words(query)
    return Wanted(
        model=model,
        multichannel=flag(query, "multichannel"),
        session=SessionOptions(
            decoder=decoder_for("model", model, offer),
            language=language,
            writing=read_writing(query, language),
            hot_words=check_hot_words("keyterm", hot_words),
            emotion=emotion_for("emotion", offer, asked=flag(query, "emotion")),
            silence_ms=silence_ms,
            speakers=USUAL_SPEAKERS if _diarizes(query) else 0,
        ),
        warnings=warnings + more,
    )


def refuse(query: QueryParams, refused: Mapping[str, str]) -> None:
    """
    Args:
        refused: parameters that are not to be had, and why.

    Raises:
        SettingError: one of them is asked for.
    """
    for name, why in refused.items():
        if any(value.lower() not in ("false", "") for value in query.getlist(name)):
            raise SettingError(name, f"{why}; leave it out")


def channels_in(query: QueryParams) -> int:
    """Of audio without a container. Raises SettingError."""
    given = whole(query, "channels")
    channels = 1 if given is None else given
    if not 1 <= channels <= MAX_CHANNELS:
        raise SettingError("channels", f"{channels} is out of range; use 1 to {MAX_CHANNELS}")
    return channels


def _diarizes(query: QueryParams) -> bool:
    """By the old name, or by that of any model that would do it there."""
    named = query.get("diarize_model", "false").lower() not in ("false", "")
    return flag(query, "diarize") or named


def _language(query: QueryParams, offer: Offer) -> tuple[str, tuple[str, ...]]:
    """`detect_language` may be true, or name languages. With warnings."""
    wanted, warnings = without_empty("language", query.getlist("language")[-1:])
    given, more = without_empty("detect_language", query.getlist("detect_language"))
    detect = [value for value in given if value.lower() != "false"]
    if detect or wanted == ["multi"]:
        named = [value for value in detect if value.lower() != "true"]
        language_for("detect_language", named, offer)
        language = language_for("detect_language" if detect else "language", [AUTO], offer)
    else:
        language = language_for("language", wanted, offer)
    return language, warnings + more


def read_writing(query: QueryParams, language: str) -> WritingOptions:
    """Raises SettingError."""
    redact: set[Redaction] = set()
    for value in ",".join(query.getlist("redact")).lower().split(","):
        if value not in _REDACTIONS:
            raise SettingError(
                "redact", f"{value!r:.40} cannot be told; use one of {', '.join(_REDACTIONS)[2:]}"
            )
        redact |= _REDACTIONS[value]
    if redact and language != ENGLISH:
        raise SettingError("redact", "numbers are redacted in English alone; ask for language=en")
    return WritingOptions(
        numbers=flag(query, "smart_format") or flag(query, "numerals"),
        profanity_filter=flag(query, "profanity_filter"),
        redact=frozenset(redact),
    )


def _hot_words(query: QueryParams) -> tuple[list[str], tuple[str, ...]]:
    """The words to expect, with warnings.

    Deepgram's older form carries a weight, "word:2". One of 0 or less asks for the word to be less
    likely; at least it must not become likelier.
    """
    terms, warnings = without_empty("keyterm", query.getlist("keyterm"))
    weighted = [_weighted(value) for value in query.getlist("keywords")]
    words, more = without_empty("keywords", [word for word, weight in weighted if weight > 0])
    if any(weight <= 0 for _, weight in weighted):
        more += ("keywords: none can be made less likely; those weighted so count as left out",)
    return [*terms, *words], warnings + more


def _weighted(value: str) -> tuple[str, float]:
    word, colon, weight = value.rpartition(":")
    return (word, float(weight)) if colon and _WEIGHT.fullmatch(weight) else (value, 1.0)


def read_format(query: QueryParams) -> SampleFormat | None:
    """None for a container. Raises SettingError."""
    encoding = query.get("encoding", "").lower()
    if not encoding or encoding in _CONTAINERS:
        check_containers()
        return None
    found = FORMATS.get(encoding)
    if found is None:
        raise SettingError(
            "encoding",
            f"{encoding!r:.40} is not understood; use one of {', '.join(FORMATS)}, or send a "
            "container, such as WebM or Ogg, and leave this out",
        )
    return found


def read_rate(query: QueryParams) -> int:
    """Raises SettingError."""
    rate = whole(query, "sample_rate")
    if rate is None:
        if query.get("encoding", "").lower() in ("mulaw", "alaw"):
            return 8_000
        raise SettingError("sample_rate", "is missing; send it along with the encoding")
    return check_rate("sample_rate", rate)


def _silence_ms(query: QueryParams) -> float | None:
    silence_ms = whole(query, "endpointing")
    return None if silence_ms is None else silence_within_reach(silence_ms)


def _utterance_end_ms(query: QueryParams, *, interim_results: bool) -> int | None:
    value = whole(query, "utterance_end_ms")
    if value is None:
        return None
    if value < _MIN_UTTERANCE_END_MS:
        raise SettingError("utterance_end_ms", f"must be at least {_MIN_UTTERANCE_END_MS}")
    if not interim_results:
        raise SettingError("utterance_end_ms", "needs interim_results=true")
    return value


def whole(query: QueryParams, name: str) -> int | None:
    """None if it is not given. Raises SettingError unless it is a whole number."""
    value = query.get(name)
    if value is None or value == "":
        return None
    if not _WHOLE.fullmatch(value):
        raise SettingError(name, f"{value!r:.40} is not a whole number")
    return int(value)


def flag(query: QueryParams, name: str) -> bool:
    """Raises SettingError."""
    value = query.get(name, "false").lower()
    if value not in ("true", "false", ""):
        raise SettingError(name, f"{value!r:.40} is neither true nor false")
    return value == "true"
