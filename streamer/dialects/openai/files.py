"""OpenAI's `/v1/audio/transcriptions`: the form's fields, and the answers in every format."""

from __future__ import annotations

import json
import math
import string
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from streamer.dialects.common.answer_headers import answer_headers
from streamer.dialects.common.formatting import emotion_dict, seconds
from streamer.dialects.common.models import BEST, decoder_for
from streamer.dialects.common.settings import (
    Offer,
    SettingError,
    check_context,
    check_hot_words,
    emotion_for,
    language_for,
    without_empty,
)
from streamer.dialects.openai.errors import error_dict
from streamer.dialects.openai.known_speakers import (
    KNOWN_NAMES,
    KNOWN_REFERENCES,
    KnownSpeaker,
    read_known_speakers,
)
from streamer.models.whisper.contract import Task
from streamer.protocol.errors import ProtocolError
from streamer.protocol.joining import joined
from streamer.recognition.contract import USUAL_SPEAKERS, SessionOptions
from streamer.recognition.languages import AUTO, NAMES
from streamer.transcript.formats import CaptionFormat, caption_text
from streamer.transcript.ledger import Segment, Word

RESPONSE_FORMATS: Final = ("json", "text", "srt", "verbose_json", "vtt", "diarized_json")
_GRANULARITIES: Final = frozenset({"word", "segment"})
_INCLUDABLE: Final = frozenset({"logprobs", "emotion"})
_LEAST_CONFIDENCE: Final = 1e-9


@dataclass(frozen=True)
class FileSettings:
    """What is wanted of an uploaded file."""

    response_format: str
    words: bool
    segments: bool
    stream: bool
    logprobs: bool
    known_speakers: Sequence[KnownSpeaker]
    """Whose voices the session has to be told of; their labels are 0, 1, 2 …"""
    session: SessionOptions
    warnings: tuple[str, ...]
    """What was asked for in vain."""

    @property
    def headers(self) -> dict[str, str]:
        """Of the answer."""
        return answer_headers(self.session.decoder, self.warnings)


def read_form(
    fields: Mapping[str, Sequence[str]], offer: Offer, task: Task = "transcribe"
) -> FileSettings:
    """
    Args:
        fields: all values of each text field.
        task: a translation is made from whichever language is spoken, if none is named.

    Raises:
        SettingError: a field is wrong, or asks for what is not to be had here.
    """

    def last(name: str, default: str) -> str:
        return (fields.get(name) or [default])[-1]

    def listed(name: str) -> list[str]:
        return [*fields.get(name, []), *fields.get(f"{name}[]", [])]

    response_format = last("response_format", "json")
    if response_format not in RESPONSE_FORMATS:
        raise SettingError(
            "response_format",
            f"{response_format!r:.40} is not to be had here; use one of "
            f"{', '.join(RESPONSE_FORMATS)}",
        )
    granularities = set(listed("timestamp_granularities"))
    if granularities - _GRANULARITIES:
        raise SettingError("timestamp_granularities", "use 'word', 'segment', or both")
    if granularities and response_format != "verbose_json":
        raise SettingError("timestamp_granularities", "needs response_format=verbose_json")
    stream = last("stream", "false").lower() in ("true", "1")
    if stream and response_format not in ("json", "text", "diarized_json"):
        raise SettingError("stream", "streams text alone; leave response_format out")
    known_speakers = read_known_speakers(listed(KNOWN_NAMES), listed(KNOWN_REFERENCES))
    if known_speakers and response_format != "diarized_json":
        raise SettingError(KNOWN_NAMES, "needs response_format=diarized_json")
    languages, warnings = without_empty("language", [*listed("language"), *listed("languages")])
    hot_words, more = without_empty("keywords", listed("keywords"))
    warnings += more
    include = set(listed("include"))
    if include - _INCLUDABLE:
        raise SettingError(
            "include", "only 'logprobs' and 'emotion' can be included; leave out the rest"
        )
    if "logprobs" in include and response_format != "json":
        warnings += ("include: logprobs come with response_format=json alone",)
    if task == "translate" and not languages and len(offer.languages) > 1:
        languages = [AUTO]
    return FileSettings(
        response_format=response_format,
        words="word" in granularities,
        segments="segment" in granularities or not granularities,
        stream=stream,
        logprobs="logprobs" in include and response_format == "json",
        warnings=warnings,
        known_speakers=known_speakers,
        session=SessionOptions(
            decoder=decoder_for("model", last("model", "") or BEST, offer),
            language=language_for("language", languages, offer),
            task=task,
            context=check_context("prompt", last("prompt", "")),
            hot_words=check_hot_words("keywords", hot_words),
            emotion=emotion_for("include", offer, asked="emotion" in include),
            speakers=USUAL_SPEAKERS if response_format == "diarized_json" else 0,
        ),
    )


def answer(
    settings: FileSettings, segments: Sequence[Segment], n_samples: int, language: str
) -> tuple[str, str]:
    """The body in the wanted format, and its media type.

    Args:
        language: that was spoken, by code.
    """
    match settings.response_format:
        case "srt":
            return caption_text(CaptionFormat.SRT, segments), "application/x-subrip"
        case "vtt":
            return caption_text(CaptionFormat.VTT, segments), "text/vtt"
        case "text":
            return full_text(segments) + "\n", "text/plain"
        case "verbose_json":
            return json.dumps(_verbose(settings, segments, n_samples, language)), "application/json"
        case "diarized_json":
            return json.dumps(_diarized(settings, segments, n_samples)), "application/json"
        case _:
            return json.dumps(_whole(settings, segments, n_samples)), "application/json"


def delta_event(settings: FileSettings, text: str, words: Sequence[Word]) -> str:
    """A server-sent event with newly committed words."""
    return _event({"type": "transcript.text.delta", "delta": text} | _logprobs(settings, words))


def segment_event(settings: FileSettings, segment: Segment, number: int) -> str:
    """The same for what one person said."""
    return _event(_by_speaker(settings, segment, number))


def done_event(settings: FileSettings, segments: Sequence[Segment], n_samples: int) -> str:
    return _event({"type": "transcript.text.done"} | _whole(settings, segments, n_samples))


def error_event(error: ProtocolError) -> str:
    """For what goes wrong when the answer has begun already."""
    return _event({"error": error_dict(error)})


def full_text(segments: Sequence[Segment]) -> str:
    return joined(segment.text for segment in segments)


def _event(data: dict[str, Any]) -> str:
    return f"data: {json.dumps(data)}\n\n"


def _whole(settings: FileSettings, segments: Sequence[Segment], n_samples: int) -> dict[str, Any]:
    words = [word for segment in segments for word in segment.words]
    body = {"text": full_text(segments), "usage": _usage(n_samples)}
    return body | _logprobs(settings, words)


def _logprobs(settings: FileSettings, words: Sequence[Word]) -> dict[str, Any]:
    """Of each word: two decoders and an LLM share the decision, and they have no tokens in
    common."""
    if not settings.logprobs:
        return {}
    told = [
        {
            "token": word.text,
            "bytes": list(word.text.encode()),
            "logprob": round(_logprob(word), 4),
        }
        for word in words
    ]
    return {"logprobs": told}


def _logprob(word: Word) -> float:
    return math.log(max(word.confidence, _LEAST_CONFIDENCE))


def _usage(n_samples: int) -> dict[str, Any]:
    return {"type": "duration", "seconds": seconds(n_samples)}


def _verbose(
    settings: FileSettings, segments: Sequence[Segment], n_samples: int, language: str
) -> dict[str, Any]:
    body: dict[str, Any] = {
        "task": settings.session.task,
        "language": NAMES.get(language, language),
        "duration": seconds(n_samples),
        "text": full_text(segments),
        "usage": _usage(n_samples),
    }
    if settings.segments:
        emotion = settings.session.emotion
        body["segments"] = [_segment(i, s, emotion=emotion) for i, s in enumerate(segments)]
    if settings.words:
        body["words"] = [_word(word) for segment in segments for word in segment.words]
    return body


def _diarized(
    settings: FileSettings, segments: Sequence[Segment], n_samples: int
) -> dict[str, Any]:
    return {
        "task": "transcribe",
        "duration": seconds(n_samples),
        "text": full_text(segments),
        "segments": [_by_speaker(settings, one, number) for number, one in enumerate(segments)],
        "usage": _usage(n_samples),
    }


def _by_speaker(settings: FileSettings, segment: Segment, number: int) -> dict[str, Any]:
    """Speakers whom nobody knows are letters; who said too little to be told apart is one of them,
    too."""
    names = [*(one.name for one in settings.known_speakers), *string.ascii_uppercase]
    unknown = len(settings.known_speakers)
    return {
        "type": "transcript.text.segment",
        "id": f"seg_{number}",
        "start": seconds(segment.start_sample),
        "end": seconds(segment.end_sample),
        "text": segment.text,
        "speaker": names[unknown if segment.speaker is None else segment.speaker],
    }


def _word(word: Word) -> dict[str, Any]:
    return {
        "word": word.text,
        "start": seconds(word.start_sample),
        "end": seconds(word.end_sample),
        "confidence": round(word.confidence, 4),
    }


def _segment(number: int, segment: Segment, *, emotion: bool) -> dict[str, Any]:
    """Whisper's fields. Token ids and the probability of silence are not at hand here: an empty
    list, and 0. `emotion` is ours, for those who asked for it."""
    logprobs = [_logprob(word) for word in segment.words]
    raw = segment.text.encode()
    return {
        "id": number,
        "seek": 0,
        "start": seconds(segment.start_sample),
        "end": seconds(segment.end_sample),
        "text": segment.text,
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": round(sum(logprobs) / max(1, len(logprobs)), 4),
        "compression_ratio": round(len(raw) / len(zlib.compress(raw)), 4),
        "no_speech_prob": 0.0,
    } | ({"emotion": emotion_dict(segment.emotion)} if emotion else {})
